#include "base/registers.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>

namespace ipseckey {

namespace {

using Octets = std::array<std::byte, 16>;

#if defined(__x86_64__)  // IPSECKEY_PORTABLE or not
constexpr std::size_t kRegisters = 16;
[[gnu::always_inline]] inline void fill(const Octets& with) {
  asm volatile(
      "movdqu %0, %%xmm0\n\t"
      "movdqu %0, %%xmm1\n\t"
      "movdqu %0, %%xmm2\n\t"
      "movdqu %0, %%xmm3\n\t"
      "movdqu %0, %%xmm4\n\t"
      "movdqu %0, %%xmm5\n\t"
      "movdqu %0, %%xmm6\n\t"
      "movdqu %0, %%xmm7\n\t"
      "movdqu %0, %%xmm8\n\t"
      "movdqu %0, %%xmm9\n\t"
      "movdqu %0, %%xmm10\n\t"
      "movdqu %0, %%xmm11\n\t"
      "movdqu %0, %%xmm12\n\t"
      "movdqu %0, %%xmm13\n\t"
      "movdqu %0, %%xmm14\n\t"
      "movdqu %0, %%xmm15\n\t" ::"m"(with)
      : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
        "xmm13", "xmm14", "xmm15");
}
[[gnu::always_inline]] inline void read(std::array<Octets, kRegisters>& into) {
  asm volatile(
      "movdqu %%xmm0, 0(%0)\n\t"
      "movdqu %%xmm1, 16(%0)\n\t"
      "movdqu %%xmm2, 32(%0)\n\t"
      "movdqu %%xmm3, 48(%0)\n\t"
      "movdqu %%xmm4, 64(%0)\n\t"
      "movdqu %%xmm5, 80(%0)\n\t"
      "movdqu %%xmm6, 96(%0)\n\t"
      "movdqu %%xmm7, 112(%0)\n\t"
      "movdqu %%xmm8, 128(%0)\n\t"
      "movdqu %%xmm9, 144(%0)\n\t"
      "movdqu %%xmm10, 160(%0)\n\t"
      "movdqu %%xmm11, 176(%0)\n\t"
      "movdqu %%xmm12, 192(%0)\n\t"
      "movdqu %%xmm13, 208(%0)\n\t"
      "movdqu %%xmm14, 224(%0)\n\t"
      "movdqu %%xmm15, 240(%0)\n\t" ::"r"(into.data())
      : "memory");
}
#elif defined(__aarch64__)  // IPSECKEY_PORTABLE or not
constexpr std::size_t kRegisters = 24;  // Except v8 to v15, half of which belong to the callers.
[[gnu::always_inline]] inline void fill(const Octets& with) {
  asm volatile(
      "ld1 {v0.16b}, [%0]\n\t"
      "ld1 {v1.16b}, [%0]\n\t"
      "ld1 {v2.16b}, [%0]\n\t"
      "ld1 {v3.16b}, [%0]\n\t"
      "ld1 {v4.16b}, [%0]\n\t"
      "ld1 {v5.16b}, [%0]\n\t"
      "ld1 {v6.16b}, [%0]\n\t"
      "ld1 {v7.16b}, [%0]\n\t"
      "ld1 {v16.16b}, [%0]\n\t"
      "ld1 {v17.16b}, [%0]\n\t"
      "ld1 {v18.16b}, [%0]\n\t"
      "ld1 {v19.16b}, [%0]\n\t"
      "ld1 {v20.16b}, [%0]\n\t"
      "ld1 {v21.16b}, [%0]\n\t"
      "ld1 {v22.16b}, [%0]\n\t"
      "ld1 {v23.16b}, [%0]\n\t"
      "ld1 {v24.16b}, [%0]\n\t"
      "ld1 {v25.16b}, [%0]\n\t"
      "ld1 {v26.16b}, [%0]\n\t"
      "ld1 {v27.16b}, [%0]\n\t"
      "ld1 {v28.16b}, [%0]\n\t"
      "ld1 {v29.16b}, [%0]\n\t"
      "ld1 {v30.16b}, [%0]\n\t"
      "ld1 {v31.16b}, [%0]\n\t" ::"r"(with.data())
      : "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16", "v17", "v18", "v19", "v20", "v21", "v22",
        "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31");
}
[[gnu::always_inline]] inline void read(std::array<Octets, kRegisters>& into) {
  asm volatile(
      "str q0, [%0, #0]\n\t"
      "str q1, [%0, #16]\n\t"
      "str q2, [%0, #32]\n\t"
      "str q3, [%0, #48]\n\t"
      "str q4, [%0, #64]\n\t"
      "str q5, [%0, #80]\n\t"
      "str q6, [%0, #96]\n\t"
      "str q7, [%0, #112]\n\t"
      "str q16, [%0, #128]\n\t"
      "str q17, [%0, #144]\n\t"
      "str q18, [%0, #160]\n\t"
      "str q19, [%0, #176]\n\t"
      "str q20, [%0, #192]\n\t"
      "str q21, [%0, #208]\n\t"
      "str q22, [%0, #224]\n\t"
      "str q23, [%0, #240]\n\t"
      "str q24, [%0, #256]\n\t"
      "str q25, [%0, #272]\n\t"
      "str q26, [%0, #288]\n\t"
      "str q27, [%0, #304]\n\t"
      "str q28, [%0, #320]\n\t"
      "str q29, [%0, #336]\n\t"
      "str q30, [%0, #352]\n\t"
      "str q31, [%0, #368]\n\t" ::"r"(into.data())
      : "memory");
}
#endif

#if defined(__x86_64__) || defined(__aarch64__)  // IPSECKEY_PORTABLE or not
TEST(Registers, AreEmptyIfTheyAreKnown) {
  Octets pattern;
  pattern.fill(std::byte{0xa5});
  std::array<Octets, kRegisters> found{};
  fill(pattern);
  const bool known = wipe_registers();
  read(found);
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i], known ? Octets{} : pattern) << i;
}
#endif

}  // namespace

}  // namespace ipseckey
