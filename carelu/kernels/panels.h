// Panels: many rows at a time.
//
// A tensor is outer × length × inner: the values of a row lie `inner` apart, and `inner` rows lie side by side, as the
// channels of a channels-last image do. A panel is some of these rows, as many as stay in the level 2 cache from their
// measuring to their scaling. Each step of a panel reads one value of every row, next to each other, so that the rows
// are the lanes of the vectors and memory is read in its order. Where few rows lie side by side, a step reads `fold`
// values of each, so that the lanes repeat the rows. Short rows that follow one another (inner = 1) are a panel too: a
// step is then one row, and what is computed once per row is computed for many rows in vectors.
//
// The memory traffic is that of long rows: forward 2 d, backward 3 d. If the share is measured on another tensor,
// forward reads that, z and writes y (3 d), and backward reads the gradient, z and the other tensor and writes two
// gradients (5 d): 8 d where ReLU moves 5 d, so 1.6 times ReLU.

#pragma once

#include <vector>

#include "rows.h"

namespace {

// Compiled once, which shortens the build.
#define OUTLINED __attribute__((noinline))

constexpr int64_t WIDEST = 1024;  // lanes of a panel
constexpr int64_t FOLDED = 128;   // lanes that folding aims at
constexpr int64_t TILE = 32;      // steps that are summed in the arithmetic of single elements
constexpr int64_t STRIP = 16;     // words of a short row that are processed at a time
constexpr int64_t BATCH = 64;     // short rows whose lanes are added up together
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

// Calls work(length) with the length of a panel's rows that follow one another: if it is a usual one of an image's
// channel or position, a constant, so that sums stay in registers.
template <class Stored, class Work> INLINED inline void with_length(const Panel& panel, Work work) {
  constexpr bool IN_TWOS = Word<Stored>::SIZE == 2;
  if (IN_TWOS && panel.stride == STRIP)
    work(std::integral_constant<int64_t, STRIP>());
  else if (IN_TWOS && panel.stride == 64)
    work(std::integral_constant<int64_t, 64>());
  else
    work(panel.stride);
}

// Calls work(start, count) for all values of such a row, a strip at a time: `count` is a constant but for the last.
template <class Stored, class Length, class Work> INLINED inline void in_strips(Length length, Work work) {
  constexpr int64_t WHOLE = STRIP * Word<Stored>::SIZE;
  int64_t start = 0;
  for (; start + WHOLE <= length; start += WHOLE) work(start, std::integral_constant<int64_t, WHOLE>());
  if (WHOLE > STRIP && start + STRIP <= length) {
    work(start, std::integral_constant<int64_t, STRIP>());
    start += STRIP;
  }
  if (start < length) work(start, length - start);
}

// Lanes of a panel are in the order of the words that they are read in: first the first values of all words.
template <class Stored> constexpr int64_t PLANE = WIDEST / Word<Stored>::SIZE;

// Calls work(word, at, of) for every word of a panel: `at` is its first value, and of(table) gives the numbers of its
// values in a table by lanes, see `in_lanes`.
template <class Stored, class Work> void every_step(const Panel& panel, Work work) {
  if (panel.one_by_one)
    return with_length<Stored>(panel, [&](auto length) INLINED {
      for (int64_t row = 0; row < panel.steps; ++row)
        in_strips<Stored>(length, [&](int64_t start, auto count) INLINED {
          const int64_t first = panel.start + row * length + start;
          every_word<Stored>(count, [=](auto word, int64_t i) INLINED {
            work(word, first + i, [=](const auto* table) { return [=](int) { return table[row]; }; });
          });
        });
    });
  for (int64_t step = 0, all = panel.steps + (panel.rest > 0); step < all; ++step) {
    const int64_t first = panel.start + step * panel.stride;
    every_word<Stored>(step < panel.steps ? panel.width : panel.rest, [=](auto word, int64_t i) INLINED {
      const int64_t lane = i / Word<Stored>::SIZE;
      work(word, first + i, [=](const auto* table) {
        return [=](int k) { return table[lane + k * PLANE<Stored>]; };
      });
    });
  }
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

// The sums of `WIDTH` numbers each of many rows, to the first `rows` places, by halves of vectors that several rows
// share.
template <int64_t WIDTH, class Sum> void add_up_lanes(Sum* lanes, int64_t rows) {
  alignas(64) Sum halves[BATCH * WIDTH / 2];
  Sum *from = lanes, *to = halves;
  for (int64_t width = WIDTH / 2; width > 0; width /= 2) {
#pragma omp simd
    for (int64_t i = 0; i < rows * width; ++i) to[i] = from[2 * i] + from[2 * i + 1];
    std::swap(from, to);
  }
  if (from != lanes) std::copy_n(from, rows, lanes);
}

// As `add_up`, where each step is a row.
template <int sums, class Sum, class Stored, class Length, class Add>
void add_up_one_by_one(const Panel& panel, Length length, TotalOf<Sum> (&totals)[sums][WIDEST], Add add) {
  constexpr int SIZE = Word<Stored>::SIZE;
  constexpr int64_t WIDTH = std::is_same_v<Length, std::integral_constant<int64_t, STRIP>> ? STRIP / SIZE : STRIP;
  alignas(64) Sum lanes[sums][BATCH * WIDTH];
  for (int64_t batch = 0; batch < panel.rows; batch += BATCH) {
    const int64_t rows = std::min(BATCH, panel.rows - batch);
    for (int64_t row = 0; row < rows; ++row) {
      Sum strip[sums][SIZE][WIDTH] = {};
      in_strips<Stored>(length, [&](int64_t start, auto count) INLINED {
        const int64_t first = panel.start + (batch + row) * length + start;
        every_word<Stored>(count, [&](auto word, int64_t i) INLINED {
          add(word, first + i, [&](const auto* table) { return [=](int) { return table[batch + row]; }; },
              [&](int s, int k) INLINED -> Sum& { return strip[s][k][i / SIZE]; });
        });
      });
      for (int s = 0; s < sums; ++s) {
        if constexpr (SIZE == 1) totals[s][batch + row] = sum_of(strip[s][0]);
#pragma omp simd
        for (int64_t l = 0; l < (SIZE > 1 ? WIDTH : 0); ++l)
          lanes[s][row * WIDTH + l] = strip[s][0][l] + strip[s][SIZE - 1][l];
      }
    }
    for (int s = 0; SIZE > 1 && s < sums; ++s) {
      add_up_lanes<WIDTH>(lanes[s], rows);
      for (int64_t row = 0; row < rows; ++row) totals[s][batch + row] = lanes[s][row];
    }
  }
}

// Adds the first `lanes` lanes of `STEPS` steps to `block`, whose sums are in registers meanwhile.
template <int64_t STEPS, int sums, class Sum, class Stored, class Add>
INLINED inline void add_steps(const Panel& panel, int64_t step, int64_t lanes, Sum (&block)[sums][WIDEST], Add add) {
  every_word<Stored>(lanes, [&](auto word, int64_t i) INLINED {
    const int64_t lane = i / Word<Stored>::SIZE, first = panel.start + step * panel.stride + i;
    Sum of_word[sums][word.SIZE];
    for (int s = 0; s < sums; ++s)
      for (int k = 0; k < word.SIZE; ++k) of_word[s][k] = block[s][lane + k * PLANE<Stored>];
    for (int64_t next = 0; next < STEPS; ++next)
      add(word, first + next * panel.stride,
          [=](const auto* table) { return [=](int k) { return table[lane + k * PLANE<Stored>]; }; },
          [&](int s, int k) INLINED -> Sum& { return of_word[s][k]; });
    for (int s = 0; s < sums; ++s)
      for (int k = 0; k < word.SIZE; ++k) block[s][lane + k * PLANE<Stored>] = of_word[s][k];
  });
}

// Adds up one or two numbers for every row of a panel: add(word, at, of, sum) adds those of a word, see `every_step`.
// The order of a row's addition depends on the sizes of the tensor alone.
template <int sums, class Sum, class Stored, class Add>
void add_up(const Panel& panel, TotalOf<Sum> (&totals)[sums][WIDEST], Add add) {
  if (panel.one_by_one)
    return with_length<Stored>(panel, [&](auto length) {
      add_up_one_by_one<sums, Sum, Stored>(panel, length, totals, add);
    });
  constexpr int64_t SIZE = Word<Stored>::SIZE;
  // Steps are read together only if they are near and of one tensor: the processor fetches no more streams ahead.
  constexpr int64_t GROUP = 4;
  const bool near = sums == 2 && panel.stride * sizeof(Stored) <= 256;
  const int64_t words = (panel.width + SIZE - 1) / SIZE;
  alignas(64) Sum block[sums][WIDEST];
  for (int s = 0; s < sums; ++s) std::fill_n(totals[s], SIZE * words, TotalOf<Sum>(0));
  const int64_t all = panel.steps + (panel.rest > 0);
  for (int64_t start = 0; start < all; start += TILE) {
    for (int s = 0; s < sums; ++s)
      for (int k = 0; k < SIZE; ++k) std::fill_n(block[s] + k * PLANE<Stored>, words, Sum(0));
    const int64_t stop = std::min(start + TILE, all);
    int64_t step = start;
    for (; near && step + GROUP <= std::min(stop, panel.steps); step += GROUP)
      add_steps<GROUP, sums, Sum, Stored>(panel, step, panel.width, block, add);
    for (; step < stop; ++step)
      add_steps<1, sums, Sum, Stored>(panel, step, step < panel.steps ? panel.width : panel.rest, block, add);
    for (int s = 0; s < sums; ++s)
      for (int64_t w = 0; w < words; ++w)
        for (int k = 0; k < SIZE; ++k) totals[s][SIZE * w + k] += block[s][w + k * PLANE<Stored>];
  }
  for (int s = 0; s < sums; ++s)
    for (int64_t half = panel.width / 2; half >= panel.rows; half /= 2)
      for (int64_t l = 0; l < half; ++l) totals[s][l] += totals[s][l + half];
}

// A number of each row.
template <class Number> struct OfRows {
  alignas(64) Number of[WIDEST], lanes[WIDEST];

  // The same by lanes; where each step is a row, these are the rows.
  template <class Stored> const Number* in_lanes(const Panel& panel) {
    constexpr int SIZE = Word<Stored>::SIZE;
    if (panel.one_by_one) return of;
    for (int64_t l = panel.rows; l < panel.width; ++l) of[l] = of[l - panel.rows];
    if (SIZE == 1) return of;
    for (int64_t w = 0; w < (panel.width + SIZE - 1) / SIZE; ++w)
      for (int k = 0; k < SIZE; ++k) lanes[w + k * PLANE<Stored>] = of[SIZE * w + k];
    return lanes;
  }
};

// As `sums_of`, for the rows of a panel.
template <int competition, class Sum, class Stored>
void sums_of_rows(const Panel& panel, const Stored* z, TotalOf<Sum> (&sums)[2][WIDEST]) {
  add_up<2, Sum, Stored>(panel, sums, [=](auto word, int64_t at, auto, auto sum) INLINED {
    add_competing<competition, Sum>(word, z + at, sum);
  });
}

// As `passed_product`, for the rows of a panel.
template <bool writes, class Sum, class Stored, class Value>
OUTLINED void products_of_rows(const Panel& panel, const Stored* grad, const Stored* z, Stored* direct,
                               const Value* scale, TotalOf<Sum> (&products)[1][WIDEST]) {
  add_up<1, Sum, Stored>(panel, products, [=](auto word, int64_t at, auto of, auto sum) INLINED {
    add_product<writes, Sum>(word, grad + at, z + at, direct + at, of(scale), sum);
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
  every_step<Stored>(panel, [=](auto word, int64_t at, auto of) INLINED {
    put_output(word, z + at, y + at, of(scale));
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
  OfRows<Value> scale;
  scales_of(share, panel.rows, alpha, beta, gain, tanh, scale.of);
  write_outputs(panel, z, y, scale.template in_lanes<Stored>(panel));
}

// As `write_gradient`, for the rows of a panel, whose factors are in tables; without a gradient that comes directly if
// `grad` is null.
template <int competition, class Sum, class Stored, class Value>
OUTLINED void write_gradients(const Panel& panel, const Stored* grad, const Stored* z, Stored* grad_z,
                              const Value* scale, const Sum* above, const Sum* below) {
  const auto write = [=](auto direct) {
    every_step<Stored>(panel, [=](auto word, int64_t at, auto of) INLINED {
      const Stored* const from = direct ? grad + at : nullptr;
      put_gradient<competition, direct.value, Sum>(word, from, z + at, grad_z + at, of(scale), of(above), of(below));
    });
  };
  if (grad)
    write(std::true_type());
  else if constexpr (competition != COUNT)
    write(std::false_type());
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
  OfRows<Value> above, below;
  int outside = 0;  // whether a row does not fit

  // Otherwise the factor would lose digits, or overflow, as a Value.
  bool fits(int64_t row) const {
    const double lowest = sizeof(Value) == 4 ? 1e-35 : 1e-300;
    const Wide magnitude = factor[row] < 0 ? -factor[row] : factor[row];
    return magnitude == 0 || (magnitude > lowest && magnitude < 1 / lowest);
  }
};

// The factors of the rows whose Σ g z are `totals`, and the gradients of α and β that they give, in `sums`.
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
    factors.above.of[row] = Value(factors.factor[row] * (1 - Wide(share[row])));
    factors.below.of[row] = Value(competition == L1 ? below : -below);
    factors.outside |= !factors.fits(row);
  }
  double of_alpha = 0, of_beta = 0;
#pragma omp simd reduction(+ : of_alpha, of_beta)
  for (int64_t row = 0; row < rows; ++row) {
    of_alpha += double(share[row] * totals[row]);
    of_beta += double(totals[row]);
  }
  sums[0] = of_alpha;
  sums[1] = of_beta;
}

// Gives the gradients of α and β in `sums`. `measured` is null if the share is measured on z.
template <int competition, class Stored, class Value>
void backward_panel(const Panel& panel, const Stored* grad, const Stored* measured, const Stored* z, Stored* grad_z,
                    Stored* grad_measured, const Statistics<Value>& table, int64_t length, double* sums, double alpha,
                    double beta, double gain) {
  using Wide = typename Arithmetic<Stored>::Wide;
  const Value *const share = table.share + panel.row, *const norm = table.norm + panel.row;
  alignas(64) double tanh[WIDEST];
  OfRows<Value> scale;
  scales_of(share, panel.rows, alpha, beta, gain, tanh, scale.of);
  const Value* const scales = scale.template in_lanes<Stored>(panel);
  alignas(64) Wide totals[WIDEST];
  totals_of(panel, grad, z, measured ? grad_z : nullptr, scales, totals);
  Factors<Value, Wide> factors;
  factors_of(competition, panel.rows, totals, tanh, share, norm, table.unit + panel.row, alpha, gain, sums, factors);
  Stored* const written = measured ? grad_measured : grad_z;
  if (!written) return;
  const Stored *const direct = measured ? nullptr : grad, *const source = measured ? measured : z;
  write_gradients<competition>(panel, direct, source, written, scales, factors.above.template in_lanes<Stored>(panel),
                               factors.below.template in_lanes<Stored>(panel));
  if constexpr (competition != COUNT)
    for (int64_t row = 0; factors.outside && row < panel.rows; ++row)
      if (!factors.fits(row)) {
        const Wide above = factors.factor[row] * (1 - Wide(share[row])), below = factors.factor[row] * share[row];
        const Wide of_negative = competition == L1 ? below : -below;
        write_gradients<competition>(panel.row_at(row, length), direct, source, written, scale.of + row, &above,
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

}  // namespace
