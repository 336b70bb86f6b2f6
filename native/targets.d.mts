export const TARGETS: Record<string, { readonly os: string; readonly cpu: string; readonly libc?: string }>;
export const FILES: readonly string[];
