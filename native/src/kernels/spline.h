// Inverse of the monotone rational-quadratic spline with linear tails (Durkan et al. 2019; spec model-synthesizer 5.3).
//
// The exponentials are of single precision and vectorised, the rest is double, and cheap, one step at a time: knots lie
// near 5, where a float is known to 5e-7, bins may be 0.01 wide, and a slope of 1e-3 makes a thousand times as much of
// it. In single precision the discriminant can round below zero.
#pragma once

#include <math.h>

#include "kernels/duration_kernels.h"
#include "kernels/rows.h"

namespace sk::SK_ISA {

constexpr double smallest = 1e-3;  // bin width, bin height and slope

struct Knots {
    double at[spline_bins + 1];
};

// Bin edges from -5 to 5, both ends exact: bins are shares of the softmax, given its exponentials.
SK_INLINE Knots knots(const float* exponentials) {
    double total = 0.0;
    for (int i = 0; i < spline_bins; ++i) total += exponentials[i];
    Knots k;
    k.at[0] = -spline_tail;
    for (int i = 0; i + 1 < spline_bins; ++i) {
        const double share = exponentials[i] / total;
        k.at[i + 1] = k.at[i] + 2 * spline_tail * (smallest + (1 - smallest * spline_bins) * share);
    }
    k.at[spline_bins] = spline_tail;
    return k;
}

// Slope at knot i: 1 at both ends, smallest + softplus(raw) inside.
SK_INLINE double knot_slope(const float* raw, int i) {
    if (i == 0 || i == spline_bins) return 1.0;
    const double x = raw[i - 1];
    return smallest + (x > 0.0 ? x : 0.0) + ::log1p(::exp(-__builtin_fabs(x)));
}

// r = 2c / (-b - sqrt(b^2 - 4ac)) with a = t e + H (s - d0), b = H d0 - t e, c = -s t, e = d0 + d1 - 2s.
SK_INLINE double quadratic_root(double t, double height, double s, double d0, double d1) {
    const double te = t * (d0 + d1 - 2 * s);
    const double a = te + height * (s - d0), b = height * d0 - te;
    const double discriminant = b * b + 4 * a * s * t;
    return 2 * s * t / (b + __builtin_sqrt(discriminant > 0.0 ? discriminant : 0.0));
}

SK_INLINE double inverse(const Knots& x, const Knots& y, const float* slopes, double value) {
    int k = 0;
    while (k + 1 < spline_bins && value >= y.at[k + 1]) ++k;
    const double width = x.at[k + 1] - x.at[k], height = y.at[k + 1] - y.at[k];
    const double d0 = knot_slope(slopes, k), d1 = knot_slope(slopes, k + 1);
    return x.at[k] + width * quadratic_root(value - y.at[k], height, height / width, d0, d1);
}

// to[i] = exp(scale (raw[i] - max raw)) for the widths, then the heights; room for whole vectors.
constexpr int spline_row = 2 * spline_bins + W - (2 * spline_bins) % W;
SK_INLINE void spline_exponentials(const float* raw, float scale, float* to) {
    for (int part = 0; part < 2; ++part) {
        const float* from = raw + part * spline_bins;
        float peak = from[0];
        for (int i = 1; i < spline_bins; ++i) peak = from[i] > peak ? from[i] : peak;
        for (int i = 0; i < spline_bins; ++i) to[part * spline_bins + i] = scale * (from[i] - peak);
    }
    for (int i = 2 * spline_bins; i < spline_row; ++i) to[i] = 0.0f;
    for (int i = 0; i < spline_row; i += W) store(to + i, exp(load(to + i)));
}

SK_INLINE float spline_inverse(const float* theta, float scale, float y) {
    if (!(__builtin_fabsf(y) <= static_cast<float>(spline_tail))) return y;
    float e[spline_row];
    spline_exponentials(theta, scale, e);
    return static_cast<float>(inverse(knots(e), knots(e + spline_bins), theta + 2 * spline_bins, y));
}

}  // namespace sk::SK_ISA
