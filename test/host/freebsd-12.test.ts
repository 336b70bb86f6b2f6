import { freebsdContract } from "./freebsd-contract.ts";

freebsdContract(12);
