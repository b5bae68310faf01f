import { $, admin, sure, tell } from "./api.js";
import { plural } from "../format.js";
import { momentOf } from "../moment.js";

const PATH = "/account/sessions";

/** @param {any} session */
function row({ session_id: id, browser, network, since, used_at: used, this: here }) {
  const item = document.createElement("li"), words = document.createElement("span");
  const name = browser || "A browser";
  const when = `${network ? `From ${network}, since` : "Since"} ${momentOf(since)}${here ? "" : `, last used ${momentOf(used)}`}`;
  words.append(
    Object.assign(document.createElement("b"), { textContent: here ? `${name}, this one` : name }),
    Object.assign(document.createElement("span"), { className: "small", textContent: when }),
  );
  item.append(words);
  if (!here) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "plain", textContent: "End" });
    button.setAttribute("aria-label", `End the session of ${name}, last used ${momentOf(used)}`);
    button.addEventListener("click", () => end(`${PATH}/${id}`, `${name} is signed out.`));
    item.append(button);
  }
  return item;
}

/** End sessions and draw what is left. @param {string} path @param {string} done */
async function end(path, done) {
  if (await tell(() => admin("DELETE", path), done, "sessions")) await draw();
}

/** Draw what the server knows. */
async function draw() {
  const { ok, data } = await admin("GET", PATH);
  if (!ok) return;
  const others = data.sessions.filter((/** @type {any} */ one) => !one.this).length;
  $("sessions").replaceChildren(...data.sessions.map(row));
  $("sessions-others").hidden = !others;
  $("sessions-others").textContent = `Sign out in ${plural(others, "other browser")}`;
}

$("sessions-others").addEventListener("click", async () => {
  if (await sure("Sign out everywhere else?", "All other browsers in which you are signed in are signed out at once.", "Sign them out")) await end(PATH, "You are signed in here alone.");
});
draw();
