// A gate as a middleware of Express.

import { pathOf } from "./addresses.js";
import { COMMAND } from "./gate.js";

export function expressGate(gate) {
  return async (request, response, next) => {
    try {
      const { method, headers } = request;
      // A client may send a whole address in place of a path, and Express serves its path.
      const path = pathOf(request.originalUrl);
      const url = `${request.protocol}://${request.get("host")}${path}`;
      const verdict = await gate.check({ method, url, headers });
      if (verdict.status) {
        add(response, verdict.headers);
        response.statusCode = verdict.status;
        response.end(method === "HEAD" ? "" : verdict.body);
        return;
      }
      followCommands(gate, verdict, response);
    } catch (error) {
      next(error);
      return;
    }
    next();
  };
}

/** Read the site's command, and take it out, in the moment before its headers are sent. */
function followCommands(gate, verdict, response) {
  const writeHead = response.writeHead;
  response.writeHead = (status, ...rest) => {
    const reason = typeof rest[0] === "string" ? [rest.shift()] : [];
    for (const [name, value] of pairs(rest[0])) response.setHeader(name, value);
    const command = response.getHeader(COMMAND);
    response.removeHeader(COMMAND);
    const added = gate.answered(verdict, command);
    if (added.length) keepPrivate(response);
    add(response, added);
    return writeHead.call(response, status, ...reason);
  };
}

/** Let no shared cache keep an answer: it has the pass of one visitor. */
function keepPrivate(response) {
  if (/no-store|private/i.test(response.getHeader("cache-control") ?? "")) return;
  for (const name of ["expires", "cdn-cache-control", "surrogate-control"]) response.removeHeader(name);
  response.setHeader("Cache-Control", "private, no-cache");
}

function add(response, headers) {
  for (const [name, value] of headers) response.appendHeader(name, value);
}

/** Return the headers that writeHead is given: an object, pairs, or names and values in turn. */
function pairs(headers = {}) {
  if (!Array.isArray(headers)) return Object.entries(headers);
  if (Array.isArray(headers[0])) return headers;
  return headers.flatMap((name, at) => (at % 2 ? [] : [[name, headers[at + 1]]]));
}
