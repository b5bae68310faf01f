import { locale } from "./words.js";

// The page has moments in UTC for all readers; the script shows them by this browser's clock.
for (const at of document.querySelectorAll("time[datetime]")) {
  at.textContent = new Date(at.dateTime).toLocaleString(locale, at.className === "clock" ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}
