// Addresses and cookies as a gate reads them. Pure.

import { posix } from "node:path";

const PARAMETER = "waitroom_pass";
const SAME_NAME_MAX = 8;

/** Return the name and value of each cookie in a header. */
export function cookiesIn(header = "") {
  return header.split(";").map((part) => {
    const [name, ...value] = part.split("=");
    return [name.trim(), value.join("=").trim().replace(/^"|"$/g, "")];
  });
}

/** Return an address without the passes in its query, and these. */
export function withoutPass(url) {
  const [page] = url.split("#");
  const [path, ...query] = page.split("?");
  const parts = query.join("?").split("&").filter(Boolean);
  const isPass = (part) => part.split("=")[0] === PARAMETER;
  const handed = parts.filter(isPass).map((part) => decoded(part.slice(PARAMETER.length + 1)));
  if (!handed.length) return { clean: url, handed };
  const kept = parts.filter((part) => !isPass(part)).join("&");
  return { clean: kept ? `${path}?${kept}` : path, handed: handed.slice(0, SAME_NAME_MAX) };
}

/** Return an address without its origin, so it begins with a slash. */
export function pathOf(url) {
  const path = url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, "");
  return path.startsWith("/") ? path : `/${path}`;
}

export function onlyReads({ method }) {
  return method === "GET" || method === "HEAD";
}

/** Return the paths that a server may take this one for, in small letters. */
export function readings(path) {
  const plain = decoded(path).replaceAll("\\", "/").toLowerCase();
  return [path.toLowerCase(), posix.normalize(`/${plain.replace(/^\/+/, "")}`)];
}

export function isBelow(path, folders) {
  return folders.some((folder) => {
    const plain = folder.replace(/\/+$/, "").toLowerCase();
    return path === plain || path.startsWith(`${plain}/`);
  });
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  }
}
