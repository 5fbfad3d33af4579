// What programs use of openssl/md5.h, after RFC 1321: the images hold no OpenSSL headers.
#pragma once
#include <stdint.h>
#include <stddef.h>
#include <string.h>

#define MD5_DIGEST_LENGTH 16
#define MD5_CBLOCK 64

typedef struct {
    uint32_t state[4];
    uint64_t size;
    unsigned char pending[64];
} MD5_CTX;

inline void assay_md5_block(uint32_t *state, const unsigned char *block) {
    static const uint32_t sines[64] = {
        0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
        0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
        0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
        0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
        0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
        0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
        0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
        0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};
    static const int turns[16] = {7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21};
    uint32_t words[16], a = state[0], b = state[1], c = state[2], d = state[3];
    memcpy(words, block, 64);
    for (int i = 0; i < 64; ++i) {
        uint32_t mixed;
        int word;
        switch (i / 16) {
        case 0: mixed = (b & c) | (~b & d); word = i; break;
        case 1: mixed = (d & b) | (~d & c); word = (5 * i + 1) % 16; break;
        case 2: mixed = b ^ c ^ d; word = (3 * i + 5) % 16; break;
        default: mixed = c ^ (b | ~d); word = 7 * i % 16;
        }
        uint32_t sum = a + mixed + sines[i] + words[word];
        int turn = turns[i / 16 * 4 + i % 4];
        a = d, d = c, c = b;
        b += (sum << turn) | (sum >> (32 - turn));
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
}

inline int MD5_Init(MD5_CTX *c) {
    *c = {{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}, 0, {}};
    return 1;
}

inline int MD5_Update(MD5_CTX *c, const void *data, size_t size) {
    const unsigned char *from = static_cast<const unsigned char *>(data);
    for (size_t i = 0; i < size; ++i) {
        c->pending[c->size++ % 64] = from[i];
        if (c->size % 64 == 0) assay_md5_block(c->state, c->pending);
    }
    return 1;
}

inline int MD5_Final(unsigned char *digest, MD5_CTX *c) {
    uint64_t bits = c->size * 8;
    unsigned char mark = 0x80, zero = 0;
    MD5_Update(c, &mark, 1);
    while (c->size % 64 != 56) MD5_Update(c, &zero, 1);
    MD5_Update(c, &bits, 8);
    memcpy(digest, c->state, 16);
    return 1;
}

inline unsigned char *MD5(const unsigned char *data, size_t size, unsigned char *digest) {
    static unsigned char own[16];
    MD5_CTX c;
    MD5_Init(&c);
    MD5_Update(&c, data, size);
    MD5_Final(digest ? digest : own, &c);
    return digest ? digest : own;
}
