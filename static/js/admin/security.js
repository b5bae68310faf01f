// The log of security events has the filter and the days of the record of actions.
import "./audit.js";
