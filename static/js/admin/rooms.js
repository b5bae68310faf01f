import { momentOf } from "../moment.js";

for (const time of document.querySelectorAll("time")) time.textContent = momentOf(time.dateTime);
