export * from "./message.ts";
export * from "./socket.ts";
