import { addressOf, NoAnswer } from "../api.js";
import { inRoom, sentence, signIn } from "./api.js";
import { upload } from "./goods-upload.js";

/** A page shows no picture larger than this, in pixels and in bytes; the server takes up to 1 MiB. */
const SIDE_MAX = 1200, BYTES_GOOD = 250_000, QUALITY = 0.85;
const TYPES = new Set(["image/png", "image/jpeg", "image/webp", "image/avif"]);

/** @param {HTMLCanvasElement} canvas @param {string} type @returns {Promise<Blob | null>} */
const packed = (canvas, type) => new Promise((resolve) => canvas.toBlob(resolve, type, QUALITY));

/**
 * Make a picture as small as pages need it. One that this browser cannot read goes as it is: the server
 * says in words what is wrong with it. @param {File} file @returns {Promise<Blob>}
 */
export async function smaller(file) {
  const image = await createImageBitmap(file, { imageOrientation: "from-image" }).catch(() => null);
  if (!image) return file;
  const scale = Math.min(1, SIDE_MAX / Math.max(image.width, image.height));
  if (scale === 1 && file.size <= BYTES_GOOD && TYPES.has(file.type)) return file;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.round(image.width * scale), Math.round(image.height * scale)];
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  const webp = await packed(canvas, "image/webp");
  // A browser that cannot write WebP gives a PNG, which is large for a photograph.
  return (webp?.type === "image/webp" ? webp : await packed(canvas, "image/jpeg")) ?? file;
}

/** Show a picture beside its field; "" for none. @param {HTMLElement} box @param {string} address */
export function showPicture(box, address) {
  const image = /** @type {HTMLImageElement} */ (box.querySelector("img"));
  /** @type {any} */ (box.querySelector("[name=picture]")).value = address;
  if (address) image.src = addressOf(address);
  else image.removeAttribute("src");
  image.hidden = !address;
  /** @type {any} */ (box.querySelector(".no-picture")).hidden = Boolean(address);
  /** @type {any} */ (box.querySelector("[data-remove]")).hidden = !address;
  /** @type {any} */ (box.querySelector("[data-said]")).textContent = "";
}

/** Let a field take pictures: one that is chosen is sent at once, and shown to shoppers when the form is saved. @param {HTMLElement} box */
export function wirePicture(box) {
  const file = /** @type {any} */ (box.querySelector("[type=file]")), said = /** @type {any} */ (box.querySelector("[data-said]"));
  file.addEventListener("change", async () => {
    const chosen = file.files[0];
    if (!chosen) return;
    said.textContent = "Sending the picture …";
    try {
      const picture = await smaller(chosen);
      const { ok, status, data } = await upload(`/admin${inRoom("/pictures")}`, picture, TYPES.has(picture.type) ? picture.type : "image/jpeg");
      if (status === 401) return signIn();
      if (ok) showPicture(box, data.picture);
      said.textContent = ok ? "The picture is here. Shoppers see it once you save." : sentence(status, data);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      said.textContent = error.message;
    } finally { file.value = ""; }
  });
  box.querySelector("[data-remove]")?.addEventListener("click", () => {
    showPicture(box, "");
    said.textContent = "Without a picture once you save.";
    file.focus();
  });
  file.form.addEventListener("reset", () => showPicture(box, ""));
}
