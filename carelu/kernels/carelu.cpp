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

template <> inline BFloat16 narrow<BFloat16>(float value) {
  const uint32_t bits = bits_of(value), rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return {uint16_t(value != value ? 0x7fc0 : rounded)};
}

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

// What one element adds to the side of its sign; a NaN is on the negative side. The norm is the sum of the two sides,
// so that rounding can never make the share of one exceed 1.
template <int competition, class Sum> inline void compete(Sum z, Sum& positive, Sum& negative) {
  const Sum above = z > 0 ? z : 0, below = z > 0 ? 0 : z;
  if (competition == ENERGY) {
    positive += above * above;
    negative += below * below;
  } else if (competition == L1) {
    positive += above;
    negative -= below;
  } else {
    positive += z > 0 ? 1 : 0;
  }
}

template <class Total> struct Sides { Total positive, negative; };

template <int competition, class Sum, class Stored>
Sides<TotalOf<Sum>> sides_of(const Stored* z, int64_t length) {
  Lanes<Sum, TotalOf<Sum>> all_positive, all_negative;
  for (int64_t start = 0; start < length; start += BLOCK) {
    const int64_t n = std::min(BLOCK, length - start);
    const Stored* block = z + start;
    Sum positive[LANES] = {}, negative[LANES] = {};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
      for (int64_t l = 0; l < LANES; ++l) compete<competition>(Sum(widen(block[i + l])), positive[l], negative[l]);
    for (int64_t l = 0; i + l < n; ++l) compete<competition>(Sum(widen(block[i + l])), positive[l], negative[l]);
    all_positive.add(positive);
    all_negative.add(negative);
  }
  return {all_positive.sum(), all_negative.sum()};
}

// Σ g z over the elements that pass, in `Sum`.
template <class Sum, class Stored, class Value>
TotalOf<Sum> passed_product(const Stored* grad, const Stored* z, int64_t length, Value scale) {
  Lanes<Sum, TotalOf<Sum>> total;
  for (int64_t start = 0; start < length; start += BLOCK) {
    const int64_t n = std::min(BLOCK, length - start);
    Sum lanes[LANES] = {};
    const auto add = [&](int64_t i, int64_t l) {
      const Value x = widen(z[start + i]);
      const Sum passed = scale * x <= 0 ? 0 : widen(grad[start + i]);
      lanes[l] += passed * x;
    };
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
      for (int64_t l = 0; l < LANES; ++l) add(i + l, l);
    for (int64_t l = 0; i + l < n; ++l) add(i + l, l);
    total.add(lanes);
  }
  return total.sum();
}

// share, norm and unit of each row, as carelu.kernels.autograd_function.Kernel describes them: three tables of `rows` numbers.
template <class Value> struct Statistics {
  Value *share, *norm, *unit;
  Statistics(void* table, int64_t rows) : share((Value*)table), norm(share + rows), unit(norm + rows) {}
};

template <int competition, class Stored, class Value>
void measure(const Stored* z, int64_t length, double eps, Value& share, Value& norm, Value& unit) {
  using Wide = typename Arithmetic<Stored>::Wide;
  unit = 1;
  if (competition == COUNT) {
    norm = Value(length);
    share = Value(sides_of<competition, Value>(z, length).positive / norm);
    return;
  }
  Sides<Wide> sides;
  const auto fast = sides_of<competition, Value>(z, length);
  // Below this some squares have lost digits, and above it sums in Value may have overflowed.
  const double lowest = sizeof(Value) == 4 ? 1e-25 : 1e-270;
  const auto norm_of_fast = fast.positive + fast.negative;
  if (norm_of_fast >= lowest && std::isfinite(norm_of_fast))
    sides = {fast.positive, fast.negative};
  else
    sides = sides_of<competition, Wide>(z, length);
  const Wide sum = sides.positive + sides.negative + Wide(eps);
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
  share = Value(sides.positive / sum);
}

template <class Stored, class Value>
void write_output(const Stored* z, Stored* y, int64_t length, Value scale) {
  for (int64_t i = 0; i < length; ++i) {
    const Value scaled = scale * widen(z[i]);
    y[i] = narrow<Stored>(0 > scaled ? 0 : scaled);  // a NaN stays
  }
}

// dz = scale · g where the output passed, plus the way through the share: above · z or below · z by the side of z
// (L1: above or below alone). `Sum` is the arithmetic: the elements' own, or a wider one.
template <int competition, class Sum, class Stored, class Value>
void write_gradient(const Stored* grad, const Stored* z, Stored* grad_z, int64_t length, Value scale, Sum above,
                    Sum below) {
  for (int64_t i = 0; i < length; ++i) {
    const Value x = widen(z[i]), direct = scale * widen(grad[i]);
    const Sum passed = scale * x <= 0 ? 0 : direct, side = x > 0 ? above : below;
    Sum result = passed;
    if (competition == ENERGY) result += side * x;
    if (competition == L1) result += x == 0 ? 0 : side;
    grad_z[i] = narrow<Stored>(Value(result));
  }
}

template <int competition, class Stored>
void forward(const Stored* z, Stored* y, void* table, int64_t rows, int64_t length, double alpha, double beta,
             double gain, double eps, int threads) {
  using Value = typename Arithmetic<Stored>::Value;
  Statistics<Value> statistics(table, rows);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
  for (int64_t row = 0; row < rows; ++row) {
    Value share, norm, unit;
    measure<competition>(z + row * length, length, eps, share, norm, unit);
    write_output(z + row * length, y + row * length, length, Value(gain * std::tanh(alpha * share + beta)));
    statistics.share[row] = share;
    statistics.norm[row] = norm;
    statistics.unit[row] = unit;
  }
}

// Returns the gradient of u = α p + β of one row.
template <int competition, class Stored, class Value>
double backward_row(const Stored* grad, const Stored* z, Stored* grad_z, int64_t length, Value share, Value norm,
                    Value unit, double alpha, double beta, double gain) {
  using Wide = typename Arithmetic<Stored>::Wide;
  const double tanh = std::tanh(alpha * share + beta);
  const Value scale = Value(gain * tanh);
  Wide product = passed_product<Value>(grad, z, length, scale);
  if (!std::isfinite(product)) product = passed_product<Wide>(grad, z, length, scale);
  const Wide grad_u = Wide(gain * (1 - tanh * tanh)) * product;
  if (!grad_z) return double(grad_u);
  Wide factor = alpha * grad_u / norm / unit;
  if (competition == ENERGY) factor *= 2 / Wide(unit);
  const Wide above = factor * (1 - Wide(share)), below = (competition == L1 ? factor : -factor) * share;
  // Outside this range the factor would lose digits, or overflow, as a Value.
  const double lowest = sizeof(Value) == 4 ? 1e-35 : 1e-300, magnitude = std::abs(factor);
  if (competition == COUNT || magnitude == 0 || (magnitude > lowest && magnitude < 1 / lowest))
    write_gradient<competition, Value>(grad, z, grad_z, length, scale, Value(above), Value(below));
  else
    write_gradient<competition, Wide>(grad, z, grad_z, length, scale, above, below);
  return double(grad_u);
}

template <int competition, class Stored>
void backward(const Stored* grad, const Stored* z, Stored* grad_z, const void* table, double* sums, int64_t rows,
              int64_t length, double alpha, double beta, double gain, int threads) {
  using Value = typename Arithmetic<Stored>::Value;
  const Statistics<Value> statistics((void*)table, rows);
  double* grad_u = new double[rows];
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
  for (int64_t row = 0; row < rows; ++row)
    grad_u[row] = backward_row<competition>(grad + row * length, z + row * length,
                                            grad_z ? grad_z + row * length : nullptr, length, statistics.share[row],
                                            statistics.norm[row], statistics.unit[row], alpha, beta, gain);
  sums[0] = sums[1] = 0;
  for (int64_t row = 0; row < rows; ++row) {
    sums[0] += statistics.share[row] * grad_u[row];
    sums[1] += grad_u[row];
  }
  delete[] grad_u;
}

template <class Stored, class Call> void with_competition(int competition, Call call) {
  if (competition == ENERGY) call(std::integral_constant<int, ENERGY>(), (Stored*)nullptr);
  if (competition == L1) call(std::integral_constant<int, L1>(), (Stored*)nullptr);
  if (competition == COUNT) call(std::integral_constant<int, COUNT>(), (Stored*)nullptr);
}

// Calls `call` with the competition as a constant and a null pointer of the element type.
template <class Call> void dispatch(int dtype, int competition, Call call) {
  if (dtype == 0) with_competition<float>(competition, call);
  if (dtype == 1) with_competition<double>(competition, call);
  if (dtype == 2) with_competition<BFloat16>(competition, call);
  if (dtype == 3) with_competition<Half>(competition, call);
}

double read(int dtype, const void* scalar) {
  if (dtype == 0) return *(const float*)scalar;
  if (dtype == 1) return *(const double*)scalar;
  return dtype == 2 ? widen(*(const BFloat16*)scalar) : widen(*(const Half*)scalar);
}

void write(int dtype, void* scalar, double value) {
  if (dtype == 0) *(float*)scalar = float(value);
  if (dtype == 1) *(double*)scalar = value;
  if (dtype == 2) *(BFloat16*)scalar = narrow<BFloat16>(float(value));
  if (dtype == 3) *(Half*)scalar = narrow<Half>(float(value));
}

}  // namespace

// Element types: 0 float32, 1 float64, 2 bfloat16, 3 float16. alpha and beta are scalars of the type `parameters`.
extern "C" void carelu_forward(int dtype, int competition, const void* z, void* y, void* statistics, int64_t rows,
                               int64_t length, int parameters, const void* alpha, const void* beta, double gain,
                               double eps, int threads) {
  const double a = read(parameters, alpha), b = read(parameters, beta);
  dispatch(dtype, competition, [=](auto which, auto* element) {
    using Stored = std::remove_pointer_t<decltype(element)>;
    forward<which.value>((const Stored*)z, (Stored*)y, statistics, rows, length, a, b, gain, eps, threads);
  });
}

// grad_z may be null.
extern "C" void carelu_backward(int dtype, int competition, const void* grad, const void* z, void* grad_z,
                                const void* statistics, int64_t rows, int64_t length, int parameters,
                                const void* alpha, const void* beta, void* grad_alpha, void* grad_beta, double gain,
                                int threads) {
  const double a = read(parameters, alpha), b = read(parameters, beta);
  double sums[2];
  double* const sums_at = sums;
  dispatch(dtype, competition, [=](auto which, auto* element) {
    using Stored = std::remove_pointer_t<decltype(element)>;
    backward<which.value>((const Stored*)grad, (const Stored*)z, (Stored*)grad_z, statistics, sums_at, rows, length, a,
                          b, gain, threads);
  });
  write(parameters, grad_alpha, sums[0]);
  write(parameters, grad_beta, sums[1]);
}
