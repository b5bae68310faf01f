// What a gate answers in place of the site. Pure.

const SIGNS = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

const NOT_YET = "It is not your turn yet, or your time here is over.";
const STYLE =
  "<style>:root{color-scheme:light dark}body{font:1.125rem/1.6 system-ui,sans-serif;margin:0}" +
  "main{max-width:34rem;margin:18vh auto;padding:0 1.25rem}h1{font-size:1.6rem;line-height:1.25}" +
  "a{color:inherit}</style>";

/** Return a page for a browser; `sentSomething` says that a form did not get through. */
export function pageOf(refusal, there, sentSomething) {
  const title = sentSomething ? "Nothing was sent" : "You cannot enter yet";
  const said = [refusal.status === 429 ? NOT_YET : refusal.message];
  if (sentSomething) {
    said.push(
      "What you filled in did not reach the shop. Go to the waiting room in a new tab. Once " +
        "you are let in, come back here, go one page back, and send it again.",
    );
  }
  let text = said.map((one) => `<p>${escaped(one)}</p>`).join("");
  if (refusal.status !== 503) {
    text += `<p><a href="${escaped(there)}" target="_blank" rel="noopener">To the waiting room</a></p>`;
  }
  const body =
    '<!doctype html><html lang="en"><meta charset="utf-8">' +
    `<meta name="viewport" content="width=device-width">${STYLE}` +
    `<title>${title}</title><main><h1>${title}</h1>${text}</main></html>`;
  return { type: "text/html; charset=utf-8", body };
}

/** Return a problem document (RFC 9457) for a program. */
export function problemOf({ code, message, status }, there) {
  const type = `urn:waitroom:problem:${code}`;
  const body = JSON.stringify({ type, title: message, status, code, room_url: there });
  return { type: "application/problem+json", body };
}

function escaped(text) {
  return text.replace(/[&<>"']/g, (sign) => SIGNS[sign]);
}
