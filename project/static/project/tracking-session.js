/** A client of the tracking-session API for pages, on the API's own origin or on another one. */
export class TrackingSession {
  /**
   * @param {object} options
   * @param {string} options.url where the API is: "https://sessions.example.com"
   * @param {string} options.key an API key with the scope "tracking", this page's playouts and its origin
   * @param {string} options.playout the playout's id
   * @param {boolean} [options.cookie] let the browser keep the session and send it along
   * @param {boolean} [options.header] keep it ourselves, for browsers that refuse the cookie
   * @param {Storage} [options.storage] where it is then kept
   */
  constructor({ url, key, playout, cookie = true, header = true, storage = sessionStorage }) {
    this.address = `${url}/playouts/${encodeURIComponent(playout)}/tracking/session`;
    Object.assign(this, { key, cookie, header, storage });
  }

  /** Start a new session; the user id, if any, should be hashed or encrypted. */
  async start(userId) {
    const query = userId ? `?${new URLSearchParams({ user_id: userId })}` : "";
    const response = await this.call("POST", query);
    if (response.ok && this.header) {
      this.storage.setItem(this.address, response.headers.get("X-JAY-TRACKING"));
    }
    return answerOf(response);
  }

  /** Read the session; null where there is none, or none that is valid any more. */
  async read() {
    const response = await this.call("GET");
    return response.status === 400 ? null : answerOf(response);
  }

  /** End the session, wherever else it is held. */
  async end() {
    const answer = await answerOf(await this.call("DELETE"));
    this.storage.removeItem(this.address);
    return answer;
  }

  call(method, query = "") {
    const headers = { "X-API-Key": this.key };
    const token = this.header && this.storage.getItem(this.address);
    if (token) {
      headers["X-JAY-TRACKING"] = token;
    }
    return fetch(this.address + query, { method, headers, credentials: this.cookie ? "include" : "omit" });
  }
}

async function answerOf(response) {
  const body = await response.json();
  if (!response.ok) {
    // POST says what is wrong with its parameters in a form of its own.
    const problems = body.detail ?? body.error.details;
    const details = Array.isArray(problems) ? problems.map((problem) => problem.msg).join(" ") : problems;
    throw new Error(body.error ? `${body.error.message} (${details})` : details);
  }
  return body.data;
}
