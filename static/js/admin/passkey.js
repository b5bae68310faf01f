/** Say whether passkeys work in this browser, at this address. @param {string} origin the one at which the service has them, "" for none */
export const canSign = (origin) => origin === location.origin && "parseRequestOptionsFromJSON" in (window.PublicKeyCredential ?? {});

/** A passkey that was not used, with the reason for the person. */
export class NoPasskey extends Error {}

/** @param {() => Promise<any>} ask @returns {Promise<any>} the credential as JSON */
async function told(ask) {
  let made;
  try { made = await ask(); } catch (error) {
    const { name } = /** @type {Error} */ (error);
    if (name === "InvalidStateError") throw new NoPasskey("This device has a passkey of this account already.");
    throw new NoPasskey(name === "SecurityError" ? "Passkeys do not work at this address." : "No passkey was used. Try again, or choose another way.");
  }
  return made.toJSON();
}

/** Sign with a passkey. @param {any} options as the server gave them */
export const sign = (options) => told(() => navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) }));

/** Make a passkey. @param {any} options as the server gave them */
export const make = (options) => told(() => navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) }));
