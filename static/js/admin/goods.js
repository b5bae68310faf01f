import { NoAnswer } from "../api.js";
import { admin, inRoom, signIn } from "./api.js";
import { drawState } from "./frame.js";
import { drawElsewhere } from "./goods-elsewhere.js";
import { refreshSellers, wireSellers } from "./goods-sellers.js";
import { refreshStock, wireStock } from "./goods-stock.js";

const LOOK_MS = 3000;

async function look() {
  const [{ ok, status, data }] = await Promise.all([admin("GET", inRoom()), refreshStock(), refreshSellers()]);
  if (status === 401) return signIn();
  if (!ok) return;
  drawState(data.status);
  drawElsewhere(data);
}

async function repeat() {
  try { if (!document.hidden) await look(); } catch (error) {
    if (!(error instanceof NoAnswer)) console.error(error);
  }
  setTimeout(repeat, LOOK_MS);
}

wireStock();
wireSellers();
repeat();
