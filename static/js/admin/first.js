import { $ } from "./api.js";
import { readMoment, setMoment, watchMoment } from "../moment.js";

/** The server's bound on a picture, and the side to which a larger one is brought down. */
const BYTES_MAX = 1024 * 1024, SIDE_MAX = 1600, QUALITY = 0.85;

/** Take the time in the browser's own zone. Without this script the field is in UTC. */
function wireOpening() {
  const field = $("opens_at"), given = $("moment").dataset.given;
  $("zone").textContent = "in your time";
  watchMoment(field);
  if (given) setMoment(field, given);
  field.addEventListener("input", () => { /** @type {any} */ (document.querySelector("[name=when][value=later]")).checked = true; });
  $("opening").addEventListener("submit", () => { $("moment").value = readMoment(field) ?? ""; });
}

/** Return a picture that the server takes. @param {File} file @returns {Promise<File>} */
async function smaller(file) {
  if (file.size <= BYTES_MAX) return file;
  const picture = await createImageBitmap(file);
  const part = Math.min(1, SIDE_MAX / Math.max(picture.width, picture.height));
  const canvas = Object.assign(document.createElement("canvas"), { width: Math.round(picture.width * part), height: Math.round(picture.height * part) });
  canvas.getContext("2d")?.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const made = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
  return made ? new File([made], "picture.jpg", { type: "image/jpeg" }) : file;
}

function wirePicture() {
  $("picture").addEventListener("change", async () => {
    const [file] = $("picture").files;
    if (!file) return;
    // What no browser can read goes to the server as it is, which says what is wrong with it.
    const found = await smaller(file).catch(() => file);
    if (found === file) return;
    const files = new DataTransfer();
    files.items.add(found);
    $("picture").files = files.files;
  });
}

function wireLink() {
  $("copy-link").hidden = !navigator.clipboard;
  $("copy-link").addEventListener("click", async () => {
    $("link").select();
    await navigator.clipboard.writeText($("link").value);
    $("copied").textContent = "Copied.";
  });
}

if ($("opening")) wireOpening();
if ($("picture")) wirePicture();
if ($("copy-link")) wireLink();
