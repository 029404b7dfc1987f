/* The usual hash of a key of text, of which a slot is the first bits (`shuffle/partition.py`). */
#ifndef MRFRAME_HASH_H
#define MRFRAME_HASH_H

#include "span.h"

void hash_init(void); /* where threads use it, before they do */
u32 hash_of(const u8 *text, size_t length);

#endif
