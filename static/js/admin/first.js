import { $ } from "./api.js";
import { smaller } from "./goods-picture.js";
import { readMoment, setMoment, watchMoment } from "../moment.js";

/** The server takes no larger picture. */
const BYTES_MAX = 1024 * 1024;

/** Take the time in the browser's own zone. Without this script the field is in UTC. */
function wireOpening() {
  const field = $("opens_at"), given = $("moment").dataset.given;
  $("zone").textContent = "in your time";
  watchMoment(field);
  if (given) setMoment(field, given);
  field.addEventListener("input", () => { /** @type {any} */ (document.querySelector("[name=when][value=later]")).checked = true; });
  $("opening").addEventListener("submit", () => { $("moment").value = readMoment(field) ?? ""; });
}

/** Make a picture as small as pages need it, before the form can be sent. */
function wirePicture() {
  const field = $("picture"), said = $("picture-said"), send = field.form.querySelector("button");
  field.addEventListener("change", async () => {
    const [file] = field.files;
    said.textContent = "";
    if (!file) return;
    send.disabled = true;
    try {
      const found = await smaller(file);
      if (found === file) return;
      const files = new DataTransfer();
      files.items.add(new File([found], "picture", { type: found.type }));
      field.files = files.files;
      said.textContent = found.size > BYTES_MAX ? "This picture is too large. Choose another one." : "The picture was made smaller for the pages.";
    } finally { send.disabled = false; }
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
