export * from "./onboard.cjs";
import * as onboard from "./onboard.cjs";
export default onboard;
