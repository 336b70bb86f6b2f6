export * from "./message.ts";
export * from "./socket.ts";
export * from "./transport.ts";
