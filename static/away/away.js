/* Show the shopper's language, and try again by itself, each browser at moments of its own. */
const sections = [...document.querySelectorAll("section")];
const near = (wish) => sections.find(({ lang }) => wish === lang) ?? sections.find(({ lang }) => wish.split("-")[0] === lang.split("-")[0]);
const mine = (navigator.languages ?? [navigator.language]).map(near).find(Boolean) ?? sections[0];
for (const section of sections) section.hidden = section !== mine;
mine.classList.add("shown");
document.documentElement.lang = mine.lang;
document.documentElement.dir = mine.dir;
document.title = document.title.replace(/^.*(?= · )/, mine.querySelector("h1").textContent);
let failures = 0;
async function again() {
  const status = await fetch(location.href, { method: "HEAD", cache: "no-store" }).then((answer) => answer.status, () => 0);
  if (status && status < 500 && status !== 429) return location.reload();
  failures += 1;
  wait();
}
function wait() { setTimeout(again, (0.5 + Math.random()) * 1000 * Math.min(10 * 1.5 ** failures, 60)); }
wait();
