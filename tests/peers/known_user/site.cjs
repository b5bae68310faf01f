// A site with Queue-it's connector for JavaScript, unmodified, as its documentation has it.
//
// The environment names where the connector is installed, the customer, the secret, the key to the
// configuration, and where this service answers. The site prints its port once it listens.
const http = require("node:http");
const crypto = require("node:crypto");
const { createRequire } = require("node:module");

const env = process.env;
const installed = createRequire(`${env.CONNECTOR}/package.json`);
const { KnownUser, QueueEventConfig, CancelEventConfig } = installed("@queue-it/connector-javascript");

function contextOf(request, response) {
  const cookies = Object.fromEntries((request.headers.cookie ?? "").split(/; */).filter(Boolean)
    .map((pair) => [pair.slice(0, pair.indexOf("=")), decodeURIComponent(pair.slice(pair.indexOf("=") + 1))]));
  return {
    getCryptoProvider: () => ({
      getSha256Hash: (key, text) => crypto.createHmac("sha256", key).update(text).digest("hex"),
    }),
    getEnqueueTokenProvider: () => null,
    getHttpRequest: () => ({
      getUserAgent: () => request.headers["user-agent"] ?? "",
      getHeader: (name) => request.headers[name.toLowerCase()] ?? "",
      getAbsoluteUri: () => addressOf(request),
      // As behind a proxy that tells the client's address.
      getUserHostAddress: () => request.headers["x-client"] ?? request.socket.remoteAddress,
      getCookieValue: (name) => cookies[name],
      getRequestBodyAsString: () => "",
    }),
    getHttpResponse: () => ({
      setCookie: (name, value, domain, expires, httpOnly, secure) => response.appendHeader("Set-Cookie",
        `${name}=${encodeURIComponent(value)}; Path=/; Expires=${new Date(expires * 1000).toUTCString()}`
        + (domain ? `; Domain=${domain}` : "") + (httpOnly ? "; HttpOnly" : "") + (secure ? "; Secure" : "")),
    }),
  };
}

const addressOf = (request) => `http://${request.headers.host}${request.url}`;

async function configuration() {
  const answer = await fetch(`${env.SERVICE}/status/integrationconfig/secure/${env.CUSTOMER}`, { headers: { "api-key": env.CONFIGURATION_KEY } });
  if (!answer.ok) throw new Error(`the configuration was refused: ${await answer.text()}`);
  return answer.text();
}

// With `?local=queue` or `?local=cancel` the site has its configuration in its own code.
async function validate(page, token, context) {
  const local = new URL(page).searchParams.get("local");
  const domain = new URL(env.SERVICE).host;
  if (local === "cancel") {
    const config = new CancelEventConfig([env.EVENT], domain, "", "", true, false, 1, "Left");
    return KnownUser.cancelRequestByLocalConfig(page, token, config, env.CUSTOMER, env.SECRET, context);
  }
  if (local === "queue") {
    const config = new QueueEventConfig(env.EVENT, [], "", "fr-FR", domain, "", true, 10, "", true, false, 1, "Local");
    return KnownUser.resolveQueueRequestByLocalConfig(page, token, config, env.CUSTOMER, env.SECRET, context, "");
  }
  return KnownUser.validateRequestByIntegrationConfig(page, token, await configuration(), env.CUSTOMER, env.SECRET, context, "");
}

const server = http.createServer(async (request, response) => {
  const address = addressOf(request);
  const token = new URL(address).searchParams.get("queueittoken") ?? "";
  const page = address.replace(/([?&])queueittoken=[^&]*/i, "").replace(/[?&]$/, "");
  try {
    const context = contextOf(request, response);
    if (request.headers["x-extend"]) KnownUser.extendQueueCookie(env.EVENT, 10, "", true, false, env.SECRET, context);
    const result = await validate(page, token, context);
    response.setHeader("x-action", result.actionType ?? "none");
    if (!result.doRedirect()) return response.end("the shop");
    if (result.isAjaxResult) {
      response.setHeader(result.getAjaxQueueRedirectHeaderKey(), result.getAjaxRedirectUrl());
      return response.end();
    }
    response.writeHead(302, { Location: result.redirectUrl });
    return response.end();
  } catch (error) {
    response.statusCode = 500;
    return response.end(String(error.stack));
  }
});

server.listen(0, "127.0.0.1", () => console.log(server.address().port));
