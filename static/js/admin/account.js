import { NoAnswer } from "../api.js";
import "./account-factors.js";
import "./account-sessions.js";
import { $, admin, refuse, sentence, signIn, told } from "./api.js";

const FIELDS = ["old", "new", "again"];

/** @param {Event} event */
async function change(event) {
  event.preventDefault();
  if ($("new").value !== $("again").value) return refuse("own", "again", "This is not the same password.");
  told("own");
  try {
    const { ok, status, data } = await admin("POST", "/password", { old: $("old").value, new: $("new").value });
    if (ok) {
      for (const field of FIELDS) $(field).value = "";
      told("own", { done: "Your password was changed. You stay signed in here." });
    } else if (data?.code === "wrong_password") refuse("own", "old", "This is not your password.");
    else if (status === 401) signIn();
    else if (data?.field === "password") refuse("own", "new", sentence(status, data));
    else told("own", { problem: sentence(status, data) });
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    told("own", { problem: `${error.message} The password may or may not have been changed. Try to sign in with the new one.` });
  }
}

$("own-form").addEventListener("submit", change);
$("see").addEventListener("change", () => { for (const field of FIELDS) $(field).type = $("see").checked ? "text" : "password"; });
