/** Whatever keeps a call from its answer: the API refuses, a proxy answers in its place, nobody answers. */
export class TrackingError extends Error {
  /**
   * @param {string} message for developers
   * @param {object} known
   * @param {number} known.status the answer's status; 0 where none came, for `cause` ("AbortError" is your own)
   * @param {?number} known.code the API's `error.code`
   * @param {?(string|object[])} known.details the API's `error.details`, such as "STORE_UNAVAILABLE"; of a
   *   parameter that is wrong, a list of `{loc, msg, type}`
   * @param {?number} known.retryAfter seconds to wait before another try
   */
  constructor(message, { status = 0, code = null, details = null, retryAfter = null, cause }) {
    super(message, { cause });
    Object.assign(this, { name: "TrackingError", status, code, details, retryAfter });
  }
}

/** A client of the tracking-session API for pages, on the API's own origin or on another one. */
export class TrackingSession {
  #changing = null;

  /**
   * @param {object} options
   * @param {string} options.url where the API is: "https://sessions.example.com"
   * @param {string} options.key an API key with the scope "tracking", this page's playouts and its origin
   * @param {string} options.playout the playout's id
   * @param {boolean} [options.cookie] let the browser keep the session and send it along
   * @param {boolean} [options.header] keep it ourselves, for browsers that refuse the cookie
   * @param {Storage|function(): Storage} [options.storage] where it is then kept; in memory where the browser
   *   denies it or has no room. A browser that denies `localStorage` throws where it is named: give a function.
   */
  constructor({ url, key, playout, cookie = true, header = true, storage = () => sessionStorage }) {
    this.address = `${url.replace(/\/+$/, "")}/playouts/${encodeURIComponent(playout)}/tracking/session`;
    Object.assign(this, { key, cookie, header, storage });
  }

  /**
   * Start a new session. Calls for the same user at the same time, and without a signal, start one together.
   * What is called later waits for an earlier start or end, so that the session of the last start is the one kept.
   *
   * @param {?string} [userId] if any, hashed or encrypted
   * @param {object} [options] here and below: `signal`, an AbortSignal
   * @throws {TrackingError} as all methods do
   */
  start(userId, { signal } = {}) {
    const before = this.#changing;
    const isSame = before?.starts && before.userId === (userId || null);
    if (isSame && !before.signal && !signal) {
      return before.answer;
    }
    const known = { starts: true, userId: userId || null, signal };
    return this.#change(known, this.#start(userId, signal, before));
  }

  /** Read the session; null where there is none, or none that is valid any more. */
  async read({ signal } = {}) {
    await settled(this.#changing);
    try {
      return await dataOf(await this.#call("GET", { signal }));
    } catch (error) {
      // A proxy's 400 says nothing about the session.
      if (error.details === "TRACKING_NOT_VALID") {
        return null;
      }
      throw error;
    }
  }

  /** End the session, wherever else it is held. The request is completed even if the page is left meanwhile. */
  end({ signal } = {}) {
    return this.#change({ starts: false }, this.#end(signal, this.#changing));
  }

  // An end that is answered late would take away what was started after it.
  #change(known, answer) {
    const changing = { ...known };
    changing.answer = answer.finally(() => {
      if (this.#changing === changing) {
        this.#changing = null;
      }
    });
    this.#changing = changing;
    return changing.answer;
  }

  async #end(signal, before) {
    await settled(before);
    const data = await dataOf(await this.#call("DELETE", { signal, keepalive: true }));
    forget(this.storage, this.address);
    return data;
  }

  async #start(userId, signal, before) {
    // The session that was asked for last is the one that is kept.
    await settled(before);
    const query = userId ? `?${new URLSearchParams({ user_id: userId })}` : "";
    const response = await this.#call("POST", { signal }, query);
    if (response.ok && this.header) {
      this.#keep(response.headers.get("X-JAY-TRACKING"));
    }
    return dataOf(response);
  }

  #keep(token) {
    if (token) {
      keep(this.storage, this.address, token);
    } else {
      forget(this.storage, this.address);
      console.warn("No X-JAY-TRACKING can be read: the API must name it in Access-Control-Expose-Headers.");
    }
  }

  async #call(method, options, query = "") {
    const headers = { "X-API-Key": this.key };
    const token = this.header && kept(this.storage, this.address);
    if (token) {
      headers["X-JAY-TRACKING"] = token;
    }
    try {
      const credentials = this.cookie ? "include" : "omit";
      return await fetch(this.address + query, { method, headers, credentials, ...options });
    } catch (cause) {
      throw new TrackingError(`No answer, or none that this page may read: ${cause.message}`, { cause });
    }
  }
}

async function settled(changing) {
  await changing?.answer.catch(() => {});
}

async function dataOf(response) {
  const { status } = response;
  let body;
  try {
    body = await response.json();
  } catch (cause) {
    throw new TrackingError(`No JSON (${status})`, { status, retryAfter: retryAfterOf(response), cause });
  }
  if (response.ok && body?.data !== undefined) {
    return body.data;
  }
  // POST says what is wrong with its parameters in a form of its own.
  const { code = null, message, details = body?.detail ?? null } = body?.error ?? {};
  const known = { status, code, details, retryAfter: retryAfterOf(response) };
  throw new TrackingError(textOf(message, details) || `Unexpected answer (${status})`, known);
}

function textOf(message, details) {
  const problems = Array.isArray(details) ? details.map((problem) => problem?.msg).join(" ") : details;
  return message && problems ? `${message} (${problems})` : message || problems;
}

function retryAfterOf(response) {
  const said = response.headers.get("Retry-After");
  const seconds = /^\d+$/.test(said) ? Number(said) : Math.max(0, (Date.parse(said) - Date.now()) / 1000);
  return said === null || Number.isNaN(seconds) ? null : seconds;
}

// What the browser's storage cannot keep is kept here until the page is left, for all that is on it.
const memory = new Map();

function keep(storage, name, token) {
  forget(storage, name);
  try {
    opened(storage).setItem(name, token);
  } catch {
    memory.set(name, token);
  }
}

function kept(storage, name) {
  try {
    return memory.get(name) ?? opened(storage).getItem(name);
  } catch {
    return null;
  }
}

function forget(storage, name) {
  memory.delete(name);
  try {
    opened(storage).removeItem(name);
  } catch {
    // Where nothing can be kept, nothing is left behind.
  }
}

function opened(storage) {
  return typeof storage === "function" ? storage() : storage;
}
