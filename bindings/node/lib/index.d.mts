export * from "./index.cjs";
import * as baton from "./index.cjs";
export default baton;
