// The arithmetic of CAReLU on the processor: types of elements, words of them, the steps of one word, and what a call
// holds.

#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace {

enum Competition { ENERGY = 0, L1 = 1, COUNT = 2 };

constexpr int64_t LANES = 32;
constexpr int64_t BLOCK = 1024;

struct Half { uint16_t bits; };
struct BFloat16 { uint16_t bits; };

// Value: the arithmetic of single elements and of the result. Wide: holds the square of every finite Value.
template <class Stored> struct Arithmetic { using Value = float; using Wide = double; };
template <> struct Arithmetic<double> { using Value = double; using Wide = long double; };

inline float float_of(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// The conversions are written out so that every compiler makes vectors of them; both round to nearest, ties to even.
// Those of float16 are M. Dukhan's (github.com/Maratyszcza/FP16), as in torch.
inline float widen(float value) { return value; }
inline double widen(double value) { return value; }
inline float widen(BFloat16 stored) { return float_of(uint32_t(stored.bits) << 16); }

template <class Stored> Stored narrow(typename Arithmetic<Stored>::Value value) { return value; }

// The bits of a bfloat16 in the upper half, and others in the lower one. A NaN stays one, since its lowest bits are 0:
// it comes from a bfloat16, or the processor made it, see `read`.
inline uint32_t rounded(float value) {
  const uint32_t bits = bits_of(value);
  return bits + 0x7fff + ((bits >> 16) & 1);
}

template <> inline BFloat16 narrow<BFloat16>(float value) { return {uint16_t(rounded(value) >> 16)}; }

inline float widen(Half stored) {
  const uint32_t word = uint32_t(stored.bits) << 16, twice = word + word;
  const float normal = float_of((twice >> 4) + (0xe0u << 23)) * 0x1p-112f;
  const float subnormal = float_of((twice >> 17) | (126u << 23)) - 0.5f;
  return float_of((word & 0x80000000u) | bits_of(twice < (1u << 27) ? subnormal : normal));
}

template <> inline Half narrow<Half>(float value) {
  const uint32_t word = bits_of(value), twice = word + word;
  const uint32_t bias = std::max(twice & 0xff000000u, 0x71000000u);
  const float base = std::fabs(value) * 0x1p+112f * 0x1p-110f + float_of((bias >> 1) + 0x07800000u);
  const uint32_t bits = bits_of(base), magnitude = ((bits >> 13) & 0x7c00u) + (bits & 0x0fffu);
  return {uint16_t(((word & 0x80000000u) >> 16) | (twice > 0xff000000u ? 0x7e00u : magnitude))};
}

// Inlined wherever it is called, since only then loops around it become vectors.
#define INLINED __attribute__((always_inline))

// What the lanes of a vector hold: one value each, or two of bfloat16, which are then widened in place, without moving
// between lanes, and narrowed by half as many operations. A loop over words gives the values of a word as an array.
template <class Stored> struct Single {
  static constexpr int SIZE = 1;
  using Value = typename Arithmetic<Stored>::Value;
  struct Values { Value of[SIZE]; };
  static Values load(const Stored* from) { return {{widen(*from)}}; }
  static void store(Stored* to, Values values) { *to = narrow<Stored>(values.of[0]); }
};

template <class Stored> struct Word : Single<Stored> {};

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
template <> struct Word<BFloat16> {
  static constexpr int SIZE = 2;
  using Value = float;
  typedef uint32_t __attribute__((may_alias, aligned(2))) Bits;
  struct Values { Value of[SIZE]; };
  static Values load(const BFloat16* from) {
    const uint32_t bits = *(const Bits*)from;
    return {{float_of(bits << 16), float_of(bits & 0xffff0000u)}};
  }
  static void store(BFloat16* to, Values values) {
    *(Bits*)to = rounded(values.of[0]) >> 16 | (rounded(values.of[1]) & 0xffff0000u);
  }
};
#endif

// Calls work(word, at) for every word of `length` values: `word` is its type, and `at` its first value. If `length` is
// a constant, this is a few instructions; it needs `omp simd`, or it is unrolled before it can become vectors.
template <class Stored, class Length, class Work> INLINED inline void every_word(Length length, Work work) {
  constexpr int64_t SIZE = Word<Stored>::SIZE;
#pragma omp simd
  for (int64_t word = 0; word < length / SIZE; ++word) work(Word<Stored>(), SIZE * word);
  if (SIZE > 1 && length % SIZE) work(Single<Stored>(), length - 1);
}

// Lanes of sums: a block in `Sum`, all blocks of a row in `Total`.
template <class Sum, class Total> struct Lanes {
  Total totals[LANES] = {};
  void add(const Sum* block) {
    for (int64_t l = 0; l < LANES; ++l) totals[l] += block[l];
  }
  Total sum() const {
    Total eight[8];
    for (int l = 0; l < 8; ++l) eight[l] = (totals[l] + totals[l + 8]) + (totals[l + 16] + totals[l + 24]);
    return ((eight[0] + eight[4]) + (eight[1] + eight[5])) + ((eight[2] + eight[6]) + (eight[3] + eight[7]));
  }
};

// The type that adds up the blocks of `Sum`.
template <class Sum> using TotalOf = std::conditional_t<std::is_same_v<Sum, float>, double, Sum>;

// What one element adds to the sum of the positive values and to that of all. Written so that it takes a comparison and
// two multiply-adds, one of them with a mask.
template <int competition, class Sum> inline void compete(Sum z, Sum& positive, Sum& all) {
  if (competition == ENERGY) {
    positive = z > 0 ? positive + z * z : positive;
    all += z * z;
  } else if (competition == L1) {
    positive = z > 0 ? positive + z : positive;
    all += z < 0 ? -z : z;
  } else {
    positive += z > 0 ? 1 : 0;
  }
}

template <class Total> struct Sums { Total positive, all; };

// Rounding may make the sum of the positive values the larger one.
inline double share_of(double positive, double all) { return std::min(positive / all, 1.0); }

// The four steps of one word: `word` is its type. What belongs to a row comes from scale(k), above(k) and below(k) for
// the value k of the word, and its sums are sum(which, k).

template <int competition, class Sum, class Word, class Stored, class SumOf>
INLINED inline void add_competing(Word word, const Stored* z, SumOf sum) {
  const auto x = word.load(z);
  for (int k = 0; k < word.SIZE; ++k) compete<competition>(Sum(x.of[k]), sum(0, k), sum(1, k));
}

// Adds g z if the value passes; with `writes`, also writes scale · passed gradient to `direct`.
template <bool writes, class Sum, class Word, class Stored, class Scale, class SumOf>
INLINED inline void add_product(Word word, const Stored* grad, const Stored* z, Stored* direct, Scale scale,
                                SumOf sum) {
  const auto x = word.load(z);
  auto g = word.load(grad);
  for (int k = 0; k < word.SIZE; ++k) {
    const auto passed = scale(k) * x.of[k] <= 0 ? 0 : g.of[k];
    sum(0, k) += Sum(passed) * x.of[k];
    g.of[k] = scale(k) * passed;
  }
  if (writes) word.store(direct, g);
}

template <class Word, class Stored, class Scale>
INLINED inline void put_output(Word word, const Stored* z, Stored* y, Scale scale) {
  auto values = word.load(z);
  for (int k = 0; k < word.SIZE; ++k) {
    const auto scaled = scale(k) * values.of[k];
    values.of[k] = 0 > scaled ? 0 : scaled;  // a NaN stays
  }
  word.store(y, values);
}

// dz = scale · g where the output passed, plus the way through the share: above · z or below · z by the side of z (L1:
// above or below alone). `Sum` is the arithmetic: the elements' own, or a wider one. Without `direct`, only the way
// through the share.
template <int competition, bool direct, class Sum, class Word, class Stored, class Scale, class Factor>
INLINED inline void put_gradient(Word word, const Stored* grad, const Stored* z, Stored* grad_z, Scale scale,
                                 Factor above, Factor below) {
  using Value = typename Word::Value;
  const auto values = word.load(z);
  auto gradients = direct ? word.load(grad) : values;
  for (int k = 0; k < word.SIZE; ++k) {
    // All is read before any comparison, so that no branch is in the way of vectors.
    const Value x = values.of[k], passed = direct ? scale(k) * gradients.of[k] : 0;
    const Sum over = above(k), under = below(k), side = x > 0 ? over : under;
    Sum result = direct && scale(k) * x <= 0 ? 0 : passed;
    if (competition == ENERGY) result += side * x;
    if (competition == L1) result += x == 0 ? 0 : side;
    gradients.of[k] = Value(result);
  }
  word.store(grad_z, gradients);
}

// A call of the loops, as carelu.kernels.panels makes it. `measured` is null if the share is measured on z, and a
// gradient that is not wanted is null. alpha and beta are scalars of the type `parameters`.
struct Call {
  int64_t outer, length, inner;
  const void *z, *measured, *grad;
  void *y, *grad_z, *grad_measured, *statistics;
  const void *alpha, *beta;
  void *grad_alpha, *grad_beta;
  double gain, eps;
  int dtype, competition, parameters, threads;
};

// share, norm and unit of each row, as carelu.kernels.autograd_function.Kernel describes them: three tables of `rows`
// numbers.
template <class Value> struct Statistics {
  Value *share, *norm, *unit;
  Statistics(void* table, int64_t rows) : share((Value*)table), norm(share + rows), unit(norm + rows) {}
};

// Share, norm and unit of a row whose sums are known.
template <int competition, class Wide, class Value>
void settle(const Sums<Wide>& sums, double eps, Value& share, Value& norm, Value& unit) {
  const Wide sum = sums.all + Wide(eps);
  if (!std::isfinite(sum)) {
    share = norm = std::nan("");
    return;
  }
  int exponent;
  std::frexp(sum, &exponent);
  exponent = competition == ENERGY ? exponent / 2 : exponent;
  // A power of two that is a normal number and has a normal inverse.
  exponent = sizeof(Value) == 4 ? std::clamp(exponent, -120, 120) : std::clamp(exponent, -1000, 1000);
  unit = std::ldexp(Value(1), exponent);
  norm = Value(std::ldexp(sum, competition == ENERGY ? -2 * exponent : -exponent));
  share = std::min(Value(sums.positive / sum), Value(1));
}

}  // namespace
