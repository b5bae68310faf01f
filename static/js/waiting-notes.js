// Shows the waiting page's notifications: phones show them through a service worker alone. It stands beside the
// scripts and not above the pages, so it handles no request, and it keeps nothing.

addEventListener("install", () => skipWaiting());

/** A press leads to the tab that waits, or opens it again. */
addEventListener("notificationclick", (event) => {
  const { data: path } = event.notification;
  event.notification.close();
  event.waitUntil(clients.matchAll({ type: "window", includeUncontrolled: true }).then((tabs) => {
    const tab = tabs.find((one) => new URL(one.url).pathname === path);
    return tab ? tab.focus() : clients.openWindow(path);
  }));
});
