interface Import {
  readonly path: string;
  readonly kind: string;
  readonly external?: boolean;
}

export function partsOf(
  metafile: { readonly outputs: Readonly<Record<string, { readonly imports: readonly Import[] }>> },
  first: string,
): Map<string, string[]>;
