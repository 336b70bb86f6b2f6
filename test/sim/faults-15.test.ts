import { testFaultPoints } from "./fault-points.ts";

testFaultPoints(15, "15.1");
