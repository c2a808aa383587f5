// CAReLU on the processor: the functions that carelu.kernels.panels calls.

#include "panels.h"
#include "rows.h"

namespace {

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
