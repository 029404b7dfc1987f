/* See hash.h. CRC-32 by eight tables: M. Kounavis, F. Berry, "A systematic approach to building high performance
 * software-based CRC generators", 2005 (slicing-by-8). */
#include "hash.h"

static u32 table[8][256];

void hash_init(void) {
    for (u32 byte = 0; byte < 256; byte++) {
        u32 crc = byte;
        for (int i = 0; i < 8; i++) crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
        table[0][byte] = crc;
    }
    for (int k = 1; k < 8; k++)
        for (u32 byte = 0; byte < 256; byte++) table[k][byte] = table[0][table[k - 1][byte] & 255] ^ table[k - 1][byte] >> 8;
}

static inline u32 four(const u8 *p) { return p[0] | (u32)p[1] << 8 | (u32)p[2] << 16 | (u32)p[3] << 24; }

u32 hash_of(const u8 *text, size_t length) {
    if (!table[0][1]) hash_init();
    u32 crc = ~0u;
    crc = table[0][(crc ^ 's') & 255] ^ crc >> 8; /* the tag of the canonical bytes of a text */
    for (; length >= 8; text += 8, length -= 8) {
        u32 low = crc ^ four(text), high = four(text + 4);
        crc = table[7][low & 255] ^ table[6][low >> 8 & 255] ^ table[5][low >> 16 & 255] ^ table[4][low >> 24] ^
              table[3][high & 255] ^ table[2][high >> 8 & 255] ^ table[1][high >> 16 & 255] ^ table[0][high >> 24];
    }
    while (length--) crc = table[0][(crc ^ *text++) & 255] ^ crc >> 8;
    return ~crc;
}
