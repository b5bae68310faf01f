// A worker's timers run on while its page is hidden.
setInterval(() => postMessage(null), 1000);
