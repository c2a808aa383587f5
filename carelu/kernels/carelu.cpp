// CAReLU on the processor: one row of competing values at a time, measured and then scaled while it is in cache.
//
// A row is a contiguous range of memory. The floor is memory traffic. With d bytes in a tensor, forward reads z and
// writes y (2 d), backward reads the gradient and z and writes its own (3 d), as ReLU does; the second reading of each
// row comes from the level 2 cache while one row of both tensors fits there (up to about 2^17 float32 values in 1 MiB).
// So the prediction is the time of ReLU wherever tensors are larger than the last cache, and up to 1.5 times ReLU where
// they fit, since there the second reading is as dear as the first.
//
// Sums run in 32 lanes over blocks of 1024 values, and the blocks add up in a wider type. Rows whose squares leave the
// range of the fast arithmetic are measured again in the wider type, where no square over- or underflows.
// The order of every sum depends on the row alone, never on the threads.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

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

// The bits of a bfloat16 in the upper half, and others in the lower one. A NaN stays one, since its lowest bits are 0: it
// comes from a bfloat16, or the processor made it, see `read`.
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
  static constexpr int COUNT = 1;
  using Value = typename Arithmetic<Stored>::Value;
  struct Values { Value of[COUNT]; };
  static Values load(const Stored* from) { return {{widen(*from)}}; }
  static void store(Stored* to, Values values) { *to = narrow<Stored>(values.of[0]); }
};

template <class Stored> struct Word : Single<Stored> {};

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
template <> struct Word<BFloat16> {
  static constexpr int COUNT = 2;
  using Value = float;
  typedef uint32_t __attribute__((may_alias, aligned(2))) Bits;
  struct Values { Value of[COUNT]; };
  static Values load(const BFloat16* from) {
    const uint32_t bits = *(const Bits*)from;
    return {{float_of(bits << 16), float_of(bits & 0xffff0000u)}};
  }
  static void store(BFloat16* to, Values values) {
    *(Bits*)to = rounded(values.of[0]) >> 16 | (rounded(values.of[1]) & 0xffff0000u);
  }
};
#endif

// Calls work(word, at) for every word of a row: `word` is its type, and `at` its first value.
template <class Stored, class Work> INLINED inline void every_word(int64_t length, Work work) {
  constexpr int64_t COUNT = Word<Stored>::COUNT;
  for (int64_t word = 0; word < length / COUNT; ++word) work(Word<Stored>(), COUNT * word);
  if (COUNT > 1 && length % COUNT) work(Single<Stored>(), length - 1);
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

// Calls work(word, at, lane) for every word of the values from `start` to `stop`, as `every_word` does: the value k of
// the word belongs to the lane `lane` + k · LANES / COUNT.
template <class Stored, class Work> INLINED inline void in_lanes(int64_t start, int64_t stop, Work work) {
  constexpr int64_t COUNT = Word<Stored>::COUNT;
  for (; start + LANES <= stop; start += LANES)
    for (int64_t l = 0; l < LANES / COUNT; ++l) work(Word<Stored>(), start + COUNT * l, l);
  for (int64_t l = 0; start + l < stop; ++l) work(Single<Stored>(), start + l, l);
}

template <int competition, class Sum, class Stored>
Sums<TotalOf<Sum>> sums_of(const Stored* z, int64_t length) {
  Lanes<Sum, TotalOf<Sum>> of_positive, of_all;
  for (int64_t start = 0; start < length; start += BLOCK) {
    Sum positive[LANES] = {}, all[LANES] = {};
    in_lanes<Stored>(start, std::min(start + BLOCK, length), [&](auto word, int64_t at, int64_t lane) INLINED {
      const auto x = word.load(z + at);
      for (int k = 0; k < word.COUNT; ++k, lane += LANES / word.COUNT)
        compete<competition>(Sum(x.of[k]), positive[lane], all[lane]);
    });
    of_positive.add(positive);
    of_all.add(all);
  }
  return {of_positive.sum(), of_all.sum()};
}

// Σ g z over the elements that pass, in `Sum`; with `writes`, also writes scale · passed gradient to `direct`.
template <bool writes, class Sum, class Stored, class Value>
TotalOf<Sum> passed_product(const Stored* grad, const Stored* z, Stored* __restrict direct, int64_t length,
                            Value scale) {
  Lanes<Sum, TotalOf<Sum>> total;
  for (int64_t start = 0; start < length; start += BLOCK) {
    Sum lanes[LANES] = {};
    in_lanes<Stored>(start, std::min(start + BLOCK, length), [&](auto word, int64_t at, int64_t lane) INLINED {
      const auto x = word.load(z + at);
      auto g = word.load(grad + at);
      for (int k = 0; k < word.COUNT; ++k, lane += LANES / word.COUNT) {
        const Value passed = scale * x.of[k] <= 0 ? 0 : g.of[k];
        lanes[lane] += Sum(passed) * x.of[k];
        g.of[k] = scale * passed;
      }
      if (writes) word.store(direct + at, g);
    });
    total.add(lanes);
  }
  return total.sum();
}

// A call of the loops, as carelu.kernels.panels makes it. `measured` is null if the share is measured on z, and a gradient
// that is not wanted is null. alpha and beta are scalars of the type `parameters`.
struct Call {
  int64_t outer, length, inner;
  const void *z, *measured, *grad;
  void *y, *grad_z, *grad_measured, *statistics;
  const void *alpha, *beta;
  void *grad_alpha, *grad_beta;
  double gain, eps;
  int dtype, competition, parameters, threads;
};

// share, norm and unit of each row, as carelu.kernels.autograd_function.Kernel describes them: three tables of `rows` numbers.
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

template <int competition, class Stored, class Value>
void measure(const Stored* z, int64_t length, double eps, Value& share, Value& norm, Value& unit) {
  using Wide = typename Arithmetic<Stored>::Wide;
  unit = 1;
  if (competition == COUNT) {
    norm = Value(length);
    share = Value(sums_of<competition, Value>(z, length).positive / norm);
    return;
  }
  Sums<Wide> sums;
  const auto fast = sums_of<competition, Value>(z, length);
  // Below this some squares have lost digits, and above it sums in Value may have overflowed.
  const double lowest = sizeof(Value) == 4 ? 1e-25 : 1e-270;
  if (fast.all >= lowest && std::isfinite(fast.all))
    sums = {fast.positive, fast.all};
  else
    sums = sums_of<competition, Wide>(z, length);
  settle<competition>(sums, eps, share, norm, unit);
}

template <class Stored, class Value>
void write_output(const Stored* z, Stored* __restrict y, int64_t length, Value scale) {
  every_word<Stored>(length, [=](auto word, int64_t at) INLINED {
    auto values = word.load(z + at);
    for (Value& value : values.of) {
      value *= scale;
      value = 0 > value ? 0 : value;  // a NaN stays
    }
    word.store(y + at, values);
  });
}

// dz = scale · g where the output passed, plus the way through the share: above · z or below · z by the side of z
// (L1: above or below alone). `Sum` is the arithmetic: the elements' own, or a wider one. Without `direct`, only the way
// through the share.
template <int competition, bool direct, class Sum, class Stored, class Value>
void write_gradient(const Stored* grad, const Stored* z, Stored* __restrict grad_z, int64_t length, Value scale,
                    Sum above, Sum below) {
  every_word<Stored>(length, [=](auto word, int64_t at) INLINED {
    const auto values = word.load(z + at);
    auto gradients = direct ? word.load(grad + at) : values;
    for (int k = 0; k < word.COUNT; ++k) {
      const Value x = values.of[k], passed = scale * gradients.of[k];
      const Sum side = x > 0 ? above : below;
      Sum result = !direct || scale * x <= 0 ? 0 : passed;
      if (competition == ENERGY) result += side * x;
      if (competition == L1) result += x == 0 ? 0 : side;
      gradients.of[k] = Value(result);
    }
    word.store(grad_z + at, gradients);
  });
}

template <int competition, class Stored> void forward_rows(const Call& call, double alpha, double beta) {
  using Value = typename Arithmetic<Stored>::Value;
  const Statistics<Value> statistics(call.statistics, call.outer);
  const auto* const measured = (const Stored*)(call.measured ? call.measured : call.z);
#pragma omp parallel for num_threads(call.threads) schedule(static) if (call.threads > 1)
  for (int64_t row = 0; row < call.outer; ++row) {
    const int64_t start = row * call.length;
    Value share, norm, unit;
    measure<competition>(measured + start, call.length, call.eps, share, norm, unit);
    const Value scale = Value(call.gain * std::tanh(alpha * share + beta));
    write_output((const Stored*)call.z + start, (Stored*)call.y + start, call.length, scale);
    statistics.share[row] = share;
    statistics.norm[row] = norm;
    statistics.unit[row] = unit;
  }
}

// The way through the share, of one row whose factor, see `backward_row`, is known.
template <int competition, bool direct, class Stored, class Value, class Wide>
void write_gradient_of(const Stored* grad, const Stored* z, Stored* grad_z, int64_t length, Value scale, Value share,
                       Wide factor) {
  const Wide above = factor * (1 - Wide(share)), below = (competition == L1 ? factor : -factor) * share;
  // Outside this range the factor would lose digits, or overflow, as a Value.
  const double lowest = sizeof(Value) == 4 ? 1e-35 : 1e-300, magnitude = std::abs(factor);
  if (competition == COUNT || magnitude == 0 || (magnitude > lowest && magnitude < 1 / lowest))
    write_gradient<competition, direct>(grad, z, grad_z, length, scale, Value(above), Value(below));
  else
    write_gradient<competition, direct>(grad, z, grad_z, length, scale, above, below);
}

// Returns the gradient of u = α p + β of one row, which begins at the value `start`.
template <int competition, class Stored, class Value>
double backward_row(const Call& call, int64_t start, Value share, Value norm, Value unit, double alpha, double beta) {
  using Wide = typename Arithmetic<Stored>::Wide;
  const auto at = [start](const void* tensor) { return tensor ? (Stored*)tensor + start : nullptr; };
  const Stored *const grad = at(call.grad), *const z = at(call.z), *const measured = at(call.measured);
  Stored *const grad_z = at(call.grad_z), *const grad_measured = at(call.grad_measured), *const none = nullptr;
  const double tanh = std::tanh(alpha * share + beta);
  const Value scale = Value(call.gain * tanh);
  Wide product = measured && grad_z ? passed_product<true, Value>(grad, z, grad_z, call.length, scale)
                                    : passed_product<false, Value>(grad, z, none, call.length, scale);
  if (!std::isfinite(product)) product = passed_product<false, Wide>(grad, z, none, call.length, scale);
  const Wide grad_u = Wide(call.gain * (1 - tanh * tanh)) * product;
  Wide factor = alpha * grad_u / norm / unit;
  if (competition == ENERGY) factor *= 2 / Wide(unit);
  if (!measured && grad_z)
    write_gradient_of<competition, true>(grad, z, grad_z, call.length, scale, share, factor);
  if (competition != COUNT && measured && grad_measured)
    write_gradient_of<competition, false>(none, measured, grad_measured, call.length, scale, share, factor);
  return double(grad_u);
}

// Gives the gradients of α and β in `sums`.
template <int competition, class Stored>
void backward_rows(const Call& call, double alpha, double beta, double* sums) {
  const Statistics<typename Arithmetic<Stored>::Value> statistics(call.statistics, call.outer);
  std::vector<double> grad_u(call.outer);  // so that the order of the sum does not depend on the threads
#pragma omp parallel for num_threads(call.threads) schedule(static) if (call.threads > 1)
  for (int64_t row = 0; row < call.outer; ++row)
    grad_u[row] = backward_row<competition, Stored>(call, row * call.length, statistics.share[row],
                                                    statistics.norm[row], statistics.unit[row], alpha, beta);
  sums[0] = sums[1] = 0;
  for (int64_t row = 0; row < call.outer; ++row) {
    sums[0] += statistics.share[row] * grad_u[row];
    sums[1] += grad_u[row];
  }
}

// Panels: many rows at a time.
//
// A tensor is outer × length × inner: the values of a row lie `inner` apart, and `inner` rows lie side by side, as the
// channels of a channels-last image do. A panel is some of these rows, as many as stay in the level 2 cache from their
// measuring to their scaling. Each step of a panel reads one value of every row, next to each other, so that the rows
// are the lanes of the vectors and memory is read in its order. Where few rows lie side by side, a step reads `fold`
// values of each, so that the lanes repeat the rows. Short rows that follow one another (inner = 1) are a panel too: a
// step is then one row, and what is computed once per row is computed for many rows in vectors.
//
// The memory traffic is that of long rows: forward 2 d, backward 3 d. If the share is measured on another tensor, forward
// reads that, z and writes y (3 d), and backward reads the gradient, z and the other tensor and writes two gradients
// (5 d): 8 d where ReLU moves 5 d, so 1.6 times ReLU.

// Compiled once, which shortens the build.
#define OUTLINED __attribute__((noinline))

constexpr int64_t WIDEST = 1024;  // lanes of a panel
constexpr int64_t FOLDED = 128;   // lanes that folding aims at
constexpr int64_t TILE = 32;      // steps that are summed in the arithmetic of single elements
constexpr int64_t STRIP = 16;     // values of a short row that are processed at a time
constexpr int64_t SHORT = 512;    // length up to which rows that follow one another are a panel
constexpr int64_t PANEL_BYTES = 3 << 18;  // of all tensors of a panel
constexpr int64_t SHORT_BYTES = 3 << 14;  // the same where a step is a row

struct Panel {
  int64_t start;   // of its first value in the tensor
  int64_t row;     // its first row
  int64_t rows;
  int64_t fold;    // values of a row in one step
  int64_t steps;
  int64_t stride;  // from one step to the next
  int64_t width;   // lanes: rows · fold
  int64_t rest;    // lanes of a last step that is not whole
  bool one_by_one;  // a step is a row, of `stride` values

  // One of its rows, of `length` values, as a panel.
  Panel row_at(int64_t index, int64_t length) const {
    Panel one = {};
    one.start = start + (one_by_one ? index * length : index);
    one.rows = one.fold = one.width = 1;
    one.steps = length;
    one.stride = one_by_one ? 1 : stride / fold;
    return one;
  }
};

// Divides a tensor into panels; the division depends on the sizes alone.
struct Panels {
  int64_t groups, length, side_by_side, rows;
  bool one_by_one;

  Panels(int64_t outer, int64_t length, int64_t inner, int64_t bytes_of_a_value)
      : length(length), one_by_one(inner == 1 && length <= SHORT) {
    groups = one_by_one ? 1 : outer;
    side_by_side = one_by_one ? outer : inner;
    const int64_t unit = one_by_one ? 8 : 64, bytes = one_by_one ? SHORT_BYTES : PANEL_BYTES;
    const int64_t in_cache = bytes / bytes_of_a_value / length / unit * unit;
    const int64_t most = std::clamp<int64_t>(in_cache, unit, WIDEST), parts = (side_by_side + most - 1) / most;
    rows = std::min(((side_by_side + parts - 1) / parts + unit - 1) / unit * unit, side_by_side);
  }
  int64_t parts() const { return (side_by_side + rows - 1) / rows; }
  int64_t count() const { return groups * parts(); }

  Panel operator[](int64_t index) const {
    const int64_t first = index % parts() * rows, group = index / parts();
    Panel panel = {};
    panel.row = group * side_by_side + first;
    panel.rows = panel.width = std::min(rows, side_by_side - first);
    panel.fold = 1;
    panel.one_by_one = one_by_one;
    if (one_by_one) {
      panel.start = first * length;
      panel.steps = panel.rows;
      panel.stride = length;
      return panel;
    }
    panel.start = group * length * side_by_side + first;
    if (panel.rows == side_by_side)
      while (2 * panel.fold * panel.rows <= FOLDED && 2 * panel.fold <= length) panel.fold *= 2;
    panel.steps = length / panel.fold;
    panel.stride = panel.fold * side_by_side;
    panel.width *= panel.fold;
    panel.rest = length % panel.fold * side_by_side;
    return panel;
  }
};

// Calls work(start, count) for all values of a short row: `count` is a constant but for the last, so that a loop over it
// is a few instructions. Such a loop needs `omp simd`, or it is unrolled before it can become vectors.
template <class Work> INLINED inline void in_strips(int64_t length, Work work) {
  int64_t start = 0;
  for (; start + STRIP <= length; start += STRIP) work(start, std::integral_constant<int64_t, STRIP>());
  if (start < length) work(start, length - start);
}

// Calls work(alone, at, lanes, first) for every step of a panel, or strip of one: `lanes` values from the value `at` on,
// which belong all to row `first` if `alone` is true_type, else to the lanes from `first` on.
template <class Work> void every_step(const Panel& panel, Work work) {
  if (panel.one_by_one) {
    for (int64_t row = 0; row < panel.steps; ++row)
      in_strips(panel.stride, [&](int64_t start, auto count) INLINED {
        work(std::true_type(), panel.start + row * panel.stride + start, count, row);
      });
    return;
  }
  for (int64_t step = 0, all = panel.steps + (panel.rest > 0); step < all; ++step)
    work(std::false_type(), panel.start + step * panel.stride, step < panel.steps ? panel.width : panel.rest, 0);
}

// In halves, each of which is half a vector.
template <class Sum> INLINED inline Sum sum_of(const Sum (&strip)[STRIP]) {
  Sum eight[8], four[4];
#pragma omp simd
  for (int64_t l = 0; l < 8; ++l) eight[l] = strip[l] + strip[l + 8];
#pragma omp simd
  for (int64_t l = 0; l < 4; ++l) four[l] = eight[l] + eight[l + 4];
  return (four[0] + four[2]) + (four[1] + four[3]);
}

// As `add_up`, where each step is a row.
template <int sums, class Sum, class Add>
void add_up_one_by_one(const Panel& panel, TotalOf<Sum> (&totals)[sums][WIDEST], Add add) {
  for (int64_t row = 0; row < panel.steps; ++row) {
    Sum first[STRIP] = {}, second[STRIP] = {};
    const int64_t at = panel.start + row * panel.stride;
    in_strips(panel.stride, [&](int64_t start, auto count) INLINED {
      if constexpr (sums == 1) {
#pragma omp simd
        for (int64_t l = 0; l < count; ++l) add(at + start + l, row, first[l]);
      } else {
#pragma omp simd
        for (int64_t l = 0; l < count; ++l) add(at + start + l, row, first[l], second[l]);
      }
    });
    totals[0][row] = sum_of(first);
    if constexpr (sums == 2) totals[1][row] = sum_of(second);
  }
}

// Adds up one or two numbers for every row of a panel: add(i, lane, first[, second]) adds those of the value i, which is
// in this lane. The order of a row's addition depends on the sizes of the tensor alone.
template <int sums, class Sum, class Add>
void add_up(const Panel& panel, TotalOf<Sum> (&totals)[sums][WIDEST], Add add) {
  if (panel.one_by_one) return add_up_one_by_one<sums, Sum>(panel, totals, add);
  alignas(64) Sum block[sums][WIDEST];
  for (int s = 0; s < sums; ++s) {
    std::fill_n(block[s], panel.width, Sum(0));
    std::fill_n(totals[s], panel.width, TotalOf<Sum>(0));
  }
  const int64_t all = panel.steps + (panel.rest > 0);
  for (int64_t start = 0; start < all; start += TILE) {
    const int64_t stop = std::min(start + TILE, all);
    for (int64_t step = start; step < stop; ++step) {
      const int64_t at = panel.start + step * panel.stride, lanes = step < panel.steps ? panel.width : panel.rest;
      Sum *__restrict first = block[0], *__restrict second = block[sums - 1];
      if constexpr (sums == 1)
        for (int64_t l = 0; l < lanes; ++l) add(at + l, l, first[l]);
      else
        for (int64_t l = 0; l < lanes; ++l) add(at + l, l, first[l], second[l]);
    }
    for (int s = 0; s < sums; ++s)
      for (int64_t l = 0; l < panel.width; ++l) {
        totals[s][l] += block[s][l];
        block[s][l] = 0;
      }
  }
  for (int s = 0; s < sums; ++s)
    for (int64_t half = panel.width / 2; half >= panel.rows; half /= 2)
      for (int64_t l = 0; l < half; ++l) totals[s][l] += totals[s][l + half];
}

// Repeats a number of each row in all lanes of the row.
template <class Number> void repeat(const Panel& panel, Number* lanes) {
  for (int64_t l = panel.rows; l < panel.width; ++l) lanes[l] = lanes[l - panel.rows];
}

// As `sums_of`, for the rows of a panel.
template <int competition, class Sum, class Stored>
void sums_of_rows(const Panel& panel, const Stored* z, TotalOf<Sum> (&sums)[2][WIDEST]) {
  add_up<2, Sum>(panel, sums, [=](int64_t i, int64_t, Sum& positive, Sum& all) INLINED {
    compete<competition>(Sum(widen(z[i])), positive, all);
  });
}

// As `passed_product`, for the rows of a panel; with `writes`, also writes scale · passed gradient to `direct`.
template <bool writes, class Sum, class Stored, class Value>
OUTLINED void products_of_rows(const Panel& panel, const Stored* grad, const Stored* z, Stored* __restrict direct,
                      const Value* scale, TotalOf<Sum> (&products)[1][WIDEST]) {
  add_up<1, Sum>(panel, products, [=](int64_t i, int64_t lane, Sum& product) INLINED {
    const Value x = widen(z[i]), g = widen(grad[i]), passed = scale[lane] * x <= 0 ? 0 : g;
    product += Sum(passed) * x;
    if (writes) direct[i] = narrow<Stored>(scale[lane] * passed);
  });
}

// tanh u to some 10 digits, in arithmetic that compilers make vectors of: 1 − 2 / (exp 2|u| + 1), with the series of
// exp about the nearest multiple of ln 2, and the series of tanh where that difference loses digits.
inline double tanh_of(double u) {
  const double magnitude = std::fabs(u), x = 2 * (magnitude > 20 ? 20 : magnitude);
  const double shifted = x * 1.4426950408889634 + 0x1.8p52, whole = shifted - 0x1.8p52;
  const double r = x - whole * 0.6931471805599453;
  constexpr double INVERSE_FACTORIALS[] = {1, 1, 1 / 2.0, 1 / 6.0, 1 / 24.0, 1 / 120.0, 1 / 720.0, 1 / 5040.0, 1 / 40320.0,
                                           1 / 362880.0};
  double series = INVERSE_FACTORIALS[9];
  for (int n = 8; n >= 0; --n) series = INVERSE_FACTORIALS[n] + series * r;
  uint64_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 52) + 0x3ff0000000000000u;  // the lowest bits of `shifted` are the exponent
  double power;
  std::memcpy(&power, &bits, sizeof power);
  const double square = u * u, small = magnitude * (1 - square * (1 / 3.0 - square * (2 / 15.0)));
  return std::copysign(magnitude < 0.01 ? small : 1 - 2 / (series * power + 1), u);
}

template <class Value> double tanh_for(double u) { return sizeof(Value) == 4 ? tanh_of(u) : std::tanh(u); }

// Where the fast arithmetic leaves its range.
template <class Value> constexpr double LOWEST = sizeof(Value) == 4 ? 1e-25 : 1e-270;
template <class Value> constexpr double HIGHEST = sizeof(Value) == 4 ? 1e35 : 1e290;

// Measures the rows again whose fast sums are out of range.
template <int competition, class Stored, class Value>
OUTLINED void measure_rows_again(const Panel& panel, const Stored* z, TotalOf<Value> (&sums)[2][WIDEST], double eps,
                                 Value* share, Value* norm, Value* unit) {
  using Wide = typename Arithmetic<Stored>::Wide;
  alignas(64) TotalOf<Wide> wide[2][WIDEST];
  sums_of_rows<competition, Wide>(panel, z, wide);
  for (int64_t row = 0; row < panel.rows; ++row) {
    const double all = sums[1][row];
    if (!(all >= LOWEST<Value> && all + eps <= HIGHEST<Value>))
      settle<competition, Wide>({wide[0][row], wide[1][row]}, eps, share[row], norm[row], unit[row]);
  }
}

// Writes the statistics of rows from their fast sums; returns whether a row is out of range.
template <class Value>
OUTLINED bool statistics_of(int competition, const TotalOf<Value> (&sums)[2][WIDEST], int64_t rows, int64_t length,
                            double eps, Value* __restrict share, Value* __restrict norm, Value* __restrict unit) {
  int outside = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const double all = sums[1][row], sum = competition == COUNT ? double(length) : all + eps;
    share[row] = Value(share_of(sums[0][row], sum));
    norm[row] = Value(sum);
    unit[row] = 1;
    outside |= !(all >= LOWEST<Value> && sum <= HIGHEST<Value>);
  }
  return competition != COUNT && outside;
}

// The scales of shares, and the hyperbolic tangents in them.
template <class Value>
OUTLINED void scales_of(const Value* share, int64_t rows, double alpha, double beta, double gain, double* tanh,
                        Value* scale) {
  for (int64_t row = 0; row < rows; ++row) {
    tanh[row] = tanh_for<Value>(alpha * share[row] + beta);
    scale[row] = Value(gain * tanh[row]);
  }
}

// As `write_output`, for the rows of a panel.
template <class Stored, class Value>
OUTLINED void write_outputs(const Panel& panel, const Stored* z, Stored* y, const Value* scale) {
  every_step(panel, [=](auto alone, int64_t at, auto lanes, int64_t first) INLINED {
    const Value* const scales = scale + first;
    const Stored* const from = z + at;
    Stored* __restrict to = y + at;
#pragma omp simd
    for (int64_t l = 0; l < lanes; ++l) {
      const Value scaled = scales[alone ? 0 : l] * widen(from[l]);
      to[l] = narrow<Stored>(0 > scaled ? 0 : scaled);
    }
  });
}

template <int competition, class Stored, class Value>
void forward_panel(const Panel& panel, const Stored* measured, const Stored* z, Stored* y, const Statistics<Value>& table,
                   int64_t length, double alpha, double beta, double gain, double eps) {
  Value *const share = table.share + panel.row, *const norm = table.norm + panel.row;
  Value* const unit = table.unit + panel.row;
  alignas(64) TotalOf<Value> sums[2][WIDEST];
  sums_of_rows<competition, Value>(panel, measured, sums);
  const bool outside = statistics_of(competition, sums, panel.rows, length, eps, share, norm, unit);
  if constexpr (competition != COUNT)
    if (outside) measure_rows_again<competition>(panel, measured, sums, eps, share, norm, unit);
  alignas(64) double tanh[WIDEST];
  alignas(64) Value scale[WIDEST];
  scales_of(share, panel.rows, alpha, beta, gain, tanh, scale);
  repeat(panel, scale);
  write_outputs(panel, z, y, scale);
}

// As `write_gradient`, for the rows of a panel, whose factors are in tables; without a gradient that comes directly if
// `grad` is null.
template <int competition, class Sum, class Stored, class Value>
OUTLINED void write_gradients(const Panel& panel, const Stored* grad, const Stored* z, Stored* grad_z, const Value* scale,
                     const Sum* above, const Sum* below) {
  const auto write = [=](auto direct, auto alone, int64_t at, auto lanes, int64_t first) INLINED {
    const Stored *const grads = grad + (direct ? at : 0), *const from = z + at;
    const Value* const scales = scale + first;
    const Sum *const aboves = above + first, *const belows = below + first;
    Stored* __restrict to = grad_z + at;
#pragma omp simd
    for (int64_t l = 0; l < lanes; ++l) {
      const int64_t lane = alone ? 0 : l;
      // All is read before any comparison, so that no branch is in the way of vectors.
      const Value x = widen(from[l]), passed = direct ? scales[lane] * widen(grads[l]) : 0;
      const Sum over = aboves[lane], under = belows[lane], side = x > 0 ? over : under;
      Sum result = direct && scales[lane] * x <= 0 ? 0 : passed;
      if (competition == ENERGY) result += side * x;
      if (competition == L1) result += x == 0 ? 0 : side;
      to[l] = narrow<Stored>(Value(result));
    }
  };
  if (grad)
    every_step(panel, [=](auto... step) { write(std::true_type(), step...); });
  else if constexpr (competition != COUNT)
    every_step(panel, [=](auto... step) { write(std::false_type(), step...); });
}

// Σ g z over the elements of each row that pass; also writes scale · passed gradient to `direct`, if that is not null.
template <class Stored, class Value, class Wide>
OUTLINED void totals_of(const Panel& panel, const Stored* grad, const Stored* z, Stored* direct, const Value* scale,
                        Wide* totals) {
  alignas(64) TotalOf<Value> fast[1][WIDEST];
  if (direct)
    products_of_rows<true, Value>(panel, grad, z, direct, scale, fast);
  else
    products_of_rows<false, Value>(panel, grad, z, direct, scale, fast);
  int overflows = 0;
  for (int64_t row = 0; row < panel.rows; ++row) {
    totals[row] = fast[0][row];
    overflows |= !(std::abs(fast[0][row]) <= 1e300);
  }
  if (!overflows) return;
  alignas(64) TotalOf<Wide> wide[1][WIDEST];
  products_of_rows<false, Wide>(panel, grad, z, (Stored*)nullptr, scale, wide);
  for (int64_t row = 0; row < panel.rows; ++row)
    if (!std::isfinite(fast[0][row])) totals[row] = wide[0][row];
}

// What `write_gradients` needs for each row, see `backward_row`.
template <class Value, class Wide> struct Factors {
  alignas(64) Wide factor[WIDEST];
  alignas(64) Value above[WIDEST], below[WIDEST];
  int outside = 0;  // whether a row does not fit

  // Otherwise the factor would lose digits, or overflow, as a Value.
  bool fits(int64_t row) const {
    const double lowest = sizeof(Value) == 4 ? 1e-35 : 1e-300;
    const Wide magnitude = factor[row] < 0 ? -factor[row] : factor[row];
    return magnitude == 0 || (magnitude > lowest && magnitude < 1 / lowest);
  }
};

// The factors of the rows whose Σ g z are `totals`, and their parts of the gradients of α and β, added to `sums`.
template <class Value, class Wide>
OUTLINED void factors_of(int competition, int64_t rows, Wide* totals, const double* tanh, const Value* share,
                         const Value* norm, const Value* unit, double alpha, double gain, double* sums,
                         Factors<Value, Wide>& factors) {
  const Wide twice = competition == ENERGY ? 2 * Wide(alpha) : alpha;
  for (int64_t row = 0; row < rows; ++row) {
    totals[row] *= gain * (1 - tanh[row] * tanh[row]);  // the gradient of u = α p + β
    const Wide squared = competition == ENERGY ? Wide(unit[row]) * unit[row] : unit[row];
    factors.factor[row] = twice * totals[row] / (norm[row] * squared);
    const Wide below = factors.factor[row] * share[row];
    factors.above[row] = Value(factors.factor[row] * (1 - Wide(share[row])));
    factors.below[row] = Value(competition == L1 ? below : -below);
    factors.outside |= !factors.fits(row);
  }
  for (int64_t row = 0; row < rows; ++row) {
    sums[0] += double(share[row] * totals[row]);
    sums[1] += double(totals[row]);
  }
}

// Adds the gradients of α and β to `sums`. `measured` is null if the share is measured on z.
template <int competition, class Stored, class Value>
void backward_panel(const Panel& panel, const Stored* grad, const Stored* measured, const Stored* z, Stored* grad_z,
                    Stored* grad_measured, const Statistics<Value>& table, int64_t length, double* sums, double alpha,
                    double beta, double gain) {
  using Wide = typename Arithmetic<Stored>::Wide;
  const Value *const share = table.share + panel.row, *const norm = table.norm + panel.row;
  alignas(64) double tanh[WIDEST];
  alignas(64) Value scale[WIDEST];
  scales_of(share, panel.rows, alpha, beta, gain, tanh, scale);
  repeat(panel, scale);
  alignas(64) Wide totals[WIDEST];
  totals_of(panel, grad, z, measured ? grad_z : nullptr, scale, totals);
  Factors<Value, Wide> factors;
  factors_of(competition, panel.rows, totals, tanh, share, norm, table.unit + panel.row, alpha, gain, sums, factors);
  Stored* const written = measured ? grad_measured : grad_z;
  if (!written) return;
  repeat(panel, factors.above);
  repeat(panel, factors.below);
  const Stored *const direct = measured ? nullptr : grad, *const source = measured ? measured : z;
  write_gradients<competition>(panel, direct, source, written, scale, factors.above, factors.below);
  if constexpr (competition != COUNT)
    for (int64_t row = 0; factors.outside && row < panel.rows; ++row)
      if (!factors.fits(row)) {
        const Wide above = factors.factor[row] * (1 - Wide(share[row])), below = factors.factor[row] * share[row];
        const Wide of_negative = competition == L1 ? below : -below;
        write_gradients<competition>(panel.row_at(row, length), direct, source, written, scale + row, &above,
                                     &of_negative);
      }
}

template <int competition, class Stored> void forward_panels(const Call& call, double alpha, double beta) {
  const Statistics<typename Arithmetic<Stored>::Value> statistics(call.statistics, call.outer * call.inner);
  const Panels panels(call.outer, call.length, call.inner, (call.measured ? 3 : 2) * sizeof(Stored));
  const auto* const measured = (const Stored*)(call.measured ? call.measured : call.z);
#pragma omp parallel for num_threads(call.threads) schedule(static) if (call.threads > 1)
  for (int64_t index = 0; index < panels.count(); ++index)
    forward_panel<competition>(panels[index], measured, (const Stored*)call.z, (Stored*)call.y, statistics, call.length,
                               alpha, beta, call.gain, call.eps);
}

// Gives the gradients of α and β in `sums`.
template <int competition, class Stored>
void backward_panels(const Call& call, double alpha, double beta, double* sums) {
  const Statistics<typename Arithmetic<Stored>::Value> statistics(call.statistics, call.outer * call.inner);
  const Panels panels(call.outer, call.length, call.inner, (call.measured ? 5 : 3) * sizeof(Stored));
  std::vector<double> of_panels(2 * panels.count());  // so that the order of the sum does not depend on the threads
#pragma omp parallel for num_threads(call.threads) schedule(static) if (call.threads > 1)
  for (int64_t index = 0; index < panels.count(); ++index)
    backward_panel<competition>(panels[index], (const Stored*)call.grad, (const Stored*)call.measured,
                                (const Stored*)call.z, (Stored*)call.grad_z, (Stored*)call.grad_measured, statistics,
                                call.length, &of_panels[2 * index], alpha, beta, call.gain);
  sums[0] = sums[1] = 0;
  for (int64_t index = 0; index < panels.count(); ++index) {
    sums[0] += of_panels[2 * index];
    sums[1] += of_panels[2 * index + 1];
  }
}

// Whether the loops over rows take less than those over panels: many rows at a time cost less, even if each is
// contiguous, unless they leave the level 1 cache.
template <class Stored> bool are_long_rows(const Call& call) {
  return call.inner == 1 && call.length > (sizeof(Stored) == 2 ? SHORT : SHORT / 2 - 1);
}

template <class Stored, class Work> void with_competition(int competition, Work call) {
  if (competition == ENERGY) call(std::integral_constant<int, ENERGY>(), (Stored*)nullptr);
  if (competition == L1) call(std::integral_constant<int, L1>(), (Stored*)nullptr);
  if (competition == COUNT) call(std::integral_constant<int, COUNT>(), (Stored*)nullptr);
}

// Calls `call` with the competition as a constant and a null pointer of the element type.
template <class Work> void dispatch(int dtype, int competition, Work call) {
  if (dtype == 0) with_competition<float>(competition, call);
  if (dtype == 1) with_competition<double>(competition, call);
  if (dtype == 2) with_competition<BFloat16>(competition, call);
  if (dtype == 3) with_competition<Half>(competition, call);
}

// Every NaN that is read becomes the usual one, see `narrow`.
double read(int dtype, const void* scalar) {
  const double value = dtype == 0   ? *(const float*)scalar
                       : dtype == 1 ? *(const double*)scalar
                       : dtype == 2 ? widen(*(const BFloat16*)scalar)
                                    : widen(*(const Half*)scalar);
  return std::isnan(value) ? std::nan("") : value;
}

void write(int dtype, void* scalar, double value) {
  if (std::isnan(value)) value = std::nan("");
  if (dtype == 0) *(float*)scalar = float(value);
  if (dtype == 1) *(double*)scalar = value;
  if (dtype == 2) *(BFloat16*)scalar = narrow<BFloat16>(float(value));
  if (dtype == 3) *(Half*)scalar = narrow<Half>(float(value));
}

}  // namespace

// Element types: 0 float32, 1 float64, 2 bfloat16, 3 float16.
extern "C" void carelu_forward(const Call* call) {
  const double a = read(call->parameters, call->alpha), b = read(call->parameters, call->beta);
  dispatch(call->dtype, call->competition, [=](auto which, auto* element) {
    using Stored = std::remove_pointer_t<decltype(element)>;
    if (are_long_rows<Stored>(*call))
      forward_rows<which.value, Stored>(*call, a, b);
    else
      forward_panels<which.value, Stored>(*call, a, b);
  });
}

extern "C" void carelu_backward(const Call* call) {
  const double a = read(call->parameters, call->alpha), b = read(call->parameters, call->beta);
  double sums[2];
  double* const sums_at = sums;
  dispatch(call->dtype, call->competition, [=](auto which, auto* element) {
    using Stored = std::remove_pointer_t<decltype(element)>;
    if (are_long_rows<Stored>(*call))
      backward_rows<which.value, Stored>(*call, a, b, sums_at);
    else
      backward_panels<which.value, Stored>(*call, a, b, sums_at);
  });
  write(call->parameters, call->grad_alpha, sums[0]);
  write(call->parameters, call->grad_beta, sums[1]);
}
