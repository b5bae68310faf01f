"""The record of operators' actions, for people: sentences, a screen with filters, a file."""
