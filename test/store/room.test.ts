import { LinuxHost } from "../../src/kleene/host/linux/host.ts";
import { holdProgram, testRoom } from "./room-cases.ts";

testRoom(["bytes", "inodes", "bytes of a disk", "inodes of a disk"], new LinuxHost("/nowhere"), holdProgram, {});
