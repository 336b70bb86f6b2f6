import { testFaultPoints } from "./fault-points.ts";

testFaultPoints(12, "12.1");
