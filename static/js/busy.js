/**
 * Bar a button while its act is under way. A barred button loses the focus, and gets it back unless the act moved it elsewhere.
 * @template T @param {HTMLButtonElement} button @param {() => Promise<T>} act @returns {Promise<T>}
 */
export async function whileBarred(button, act) {
  const had = document.activeElement === button;
  button.disabled = true;
  try { return await act(); } finally {
    button.disabled = false;
    if (had && document.activeElement === document.body) button.focus({ preventScroll: true });
  }
}
