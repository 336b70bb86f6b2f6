// <linux/btf.h>
import { struct, u8, u16, u32 } from "../../struct.ts";

export const BTF_MAGIC = 0xeb9f;
export const BTF_KIND_INT = 1;
export const BTF_KIND_ARRAY = 3;
export const BTF_KIND_STRUCT = 4;
export const BTF_KIND_UNION = 5;
export const BTF_KIND_ENUM = 6;
export const BTF_KIND_TYPEDEF = 8;
export const BTF_KIND_VOLATILE = 9;
export const BTF_KIND_CONST = 10;
export const BTF_KIND_RESTRICT = 11;
export const BTF_KIND_FUNC = 12;
export const BTF_KIND_FUNC_PROTO = 13;
export const BTF_KIND_VAR = 14;
export const BTF_KIND_DATASEC = 15;
export const BTF_KIND_DECL_TAG = 17;
export const BTF_KIND_TYPE_TAG = 18;
export const BTF_KIND_ENUM64 = 19;

const header = "linux/btf.h";

/** Lengths and offsets in bytes, the offsets from the end of this header. */
export const btf_header = struct("struct btf_header", header, 24, {
  magic: [0, u16],
  version: [2, u8],
  hdr_len: [4, u32],
  type_off: [8, u32],
  type_len: [12, u32],
  str_off: [16, u32],
  str_len: [20, u32],
});

/** `size` is also `type`: what it is made of, of pointers, typedefs and functions. */
export const btf_type = struct("struct btf_type", header, 12, {
  name_off: [0, u32],
  info: [4, u32],
  size: [8, u32],
});

export const btf_member = struct("struct btf_member", header, 12, {
  name_off: [0, u32],
  type: [4, u32],
  offset: [8, u32],
});
