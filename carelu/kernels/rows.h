// Long rows: one row of competing values at a time, measured and then scaled while it is in cache.
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

#pragma once

#include <vector>

#include "arithmetic.h"

namespace {

// One or two sums over a long row: add(word, at, sum) adds those of a word, which begins at the value `at`.
template <int sums, class Sum, class Stored, class Add>
std::array<TotalOf<Sum>, sums> sums_over(int64_t length, Add add) {
  constexpr int64_t SIZE = Word<Stored>::SIZE;
  Lanes<Sum, TotalOf<Sum>> totals[sums];
  for (int64_t start = 0; start < length; start += BLOCK) {
    const int64_t stop = std::min(start + BLOCK, length);
    Sum block[sums][SIZE][LANES / SIZE] = {};
    int64_t at = start;
    for (; at + LANES <= stop; at += LANES)
      every_word<Stored>(std::integral_constant<int64_t, LANES>(), [&](auto word, int64_t i) INLINED {
        add(word, at + i, [&](int s, int k) INLINED -> Sum& { return block[s][k][i / SIZE]; });
      });
    every_word<Stored>(stop - at, [&](auto word, int64_t i) INLINED {
      add(word, at + i, [&](int s, int k) INLINED -> Sum& { return block[s][k][i / SIZE]; });
    });
    for (int s = 0; s < sums; ++s) totals[s].add(block[s][0]);
  }
  std::array<TotalOf<Sum>, sums> result;
  for (int s = 0; s < sums; ++s) result[s] = totals[s].sum();
  return result;
}

template <int competition, class Sum, class Stored>
Sums<TotalOf<Sum>> sums_of(const Stored* z, int64_t length) {
  const auto sums = sums_over<2, Sum, Stored>(length, [=](auto word, int64_t at, auto sum) INLINED {
    add_competing<competition, Sum>(word, z + at, sum);
  });
  return {sums[0], sums[1]};
}

// Σ g z over the elements that pass, in `Sum`; with `writes`, also writes scale · passed gradient to `direct`.
template <bool writes, class Sum, class Stored, class Value>
TotalOf<Sum> passed_product(const Stored* grad, const Stored* z, Stored* direct, int64_t length, Value scale) {
  return sums_over<1, Sum, Stored>(length, [=](auto word, int64_t at, auto sum) INLINED {
    add_product<writes, Sum>(word, grad + at, z + at, direct + at, [=](int) { return scale; }, sum);
  })[0];
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
void write_output(const Stored* z, Stored* y, int64_t length, Value scale) {
  every_word<Stored>(length, [=](auto word, int64_t at) INLINED {
    put_output(word, z + at, y + at, [=](int) { return scale; });
  });
}

template <int competition, bool direct, class Sum, class Stored, class Value>
void write_gradient(const Stored* grad, const Stored* z, Stored* grad_z, int64_t length, Value scale, Sum above,
                    Sum below) {
  const auto constant = [](auto number) { return [=](int) { return number; }; };
  every_word<Stored>(length, [=](auto word, int64_t at) INLINED {
    put_gradient<competition, direct, Sum>(word, grad + at, z + at, grad_z + at, constant(scale), constant(above),
                                           constant(below));
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

}  // namespace
