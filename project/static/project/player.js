import { TrackingSession } from "./tracking-session.js";

const form = document.querySelector("form");
const output = document.querySelector("output");
form.elements.url.value ||= location.origin;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { url, key, playout, user, agreed, cookie, header } = form.elements;
  const session = new TrackingSession({
    url: url.value,
    key: key.value,
    playout: playout.value,
    cookie: cookie.checked,
    header: header.checked,
  });
  const action = event.submitter.value;
  output.value = "…";
  try {
    const data = await (action === "start" ? session.start(agreed.checked && user.value) : session[action]());
    output.value = data ? JSON.stringify(data, null, 2) : "No valid session.";
  } catch (error) {
    output.value = error.status ? `Refused: ${error.message}` : error.message;
  }
});
