/** The sentences of an order that speak to the shopper, in the operator's words; all others are the same for both. */
const TO_OPERATORS = {
  "The shop has given your money back.": "All the money of this order has been given back.",
  "The shop cancelled this order.": "This order was cancelled here.",
  "Your money has gone back to you.": "The money has gone back to the shopper.",
  "You have not been charged.": "The shopper was not charged.",
  "Your bank did not accept a refund.": "The shopper’s bank did not accept the refund.",
  "Try another card, or ask your bank.": "The shopper was told to try another card, or to ask the bank.",
};

/** Say an order's detail to an operator, sentence by sentence. @param {string} detail */
export const toOperator = (detail) => detail.split(/(?<=[.?!]) /).map((sentence) => TO_OPERATORS[sentence] ?? sentence).join(" ");
