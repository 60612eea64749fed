// Toom-Cook (Winograd) schemes for one-dimensional convolution, shared by the weight packing and the kernels.
//
// F(m, r) computes m outputs of an r-tap correlation y_i = sum_k g_k d_(i+k) with n = m + r - 1 products:
//     y = A^T [ (G g) . (B^T d) ]
// over n - 1 finite nodes a_j and the point at infinity (Toom 1963, Cook 1966; Winograd 1980):
//     A^T[i][j] = a_j^i,   G[j][k] = a_j^k / prod_(l != j) (a_j - a_l),   B^T row j = coefficients of prod_(l != j) (x
//     - a_l)
// and for infinity A^T[m-1] = 1, G[r-1] = 1, B^T = coefficients of prod_l (x - a_l).
//
// Two levels are nested. The outer scheme handles r taps of the filter over tiles of m outputs; a filter longer than r
// is cut into G groups of r taps, and because m = r there, group g's input tile is tile i + g of the same transform.
// For each outer point that is again a correlation, with G taps over the tile index: the inner scheme F(m2, G).
#pragma once

namespace sk {

struct Scheme {
    int outputs;       // m
    int taps;          // r
    int points;        // n = m + r - 1
    double nodes[13];  // the n - 1 finite nodes
};

enum class Outer { f42, f43, f44, f63, f87, direct };
enum class Inner { none, f22, f32, f62, f23, f43, f63 };

constexpr Scheme outer_scheme(Outer outer) {
    switch (outer) {
        case Outer::f42: return {4, 2, 5, {0, 1, -1, 0.5}};
        case Outer::f43: return {4, 3, 6, {0, 1, -1, 0.5, -0.5}};
        case Outer::f44: return {4, 4, 7, {0, 1, -1, 0.5, -0.5, 2}};
        case Outer::f63: return {6, 3, 8, {0, 1, -1, 0.5, -0.5, 2, -2}};
        // Pairs near tan(k pi / 14), with few bits: 8 dB less error than 0, ±1, ±1/2, ±2, ±1/4, …
        case Outer::f87:
            return {8, 7, 14, {0, 0.3125, -0.3125, 0.625, -0.625, 0.875, -0.875, 1.125, -1.125, 1.75, -1.75, 3.25, -3.25}};
        case Outer::direct: break;
    }
    return {1, 1, 1, {}};
}

constexpr Scheme inner_scheme(Inner inner) {
    switch (inner) {
        case Inner::f22: return {2, 2, 3, {0, 1}};
        case Inner::f32: return {3, 2, 4, {0, 1, -1}};
        case Inner::f62: return {6, 2, 7, {0, 1, -1, 0.5, -0.5, 2}};
        case Inner::f23: return {2, 3, 4, {0, 1, -1}};
        case Inner::f43: return {4, 3, 6, {0, 1, -1, 0.5, -0.5}};
        case Inner::f63: return {6, 3, 8, {0, 1, -1, 0.5, -0.5, 2, -2}};
        case Inner::none: break;
    }
    return {1, 1, 1, {}};
}

// G[point][tap] of a scheme; see the head of this file.
constexpr double filter_factor(const Scheme& scheme, int point, int tap) {
    if (point == scheme.points - 1) return tap == scheme.taps - 1 ? 1.0 : 0.0;
    double value = 1.0;
    for (int k = 0; k < tap; ++k) value *= scheme.nodes[point];
    for (int l = 0; l < scheme.points - 1; ++l)
        if (l != point) value /= scheme.nodes[point] - scheme.nodes[l];
    return value;
}

}  // namespace sk
