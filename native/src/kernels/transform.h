// The input and output transforms of the Toom-Cook schemes on vectors of channels, written out.
//
// `input` computes v = B^T d in place of the matrix: rows are prod_(l != j) (x - a_l) applied to d, factored so that
// the pair of nodes +a, -a shares its even and odd part. `output` computes y = A^T v. Rows are in the node order of
// toom_cook.h; the last one is infinity.
#pragma once

#include "kernels/simd.h"

namespace sk::SK_ISA {

// Nodes 0, 1, -1, 1/2, -1/2 applied to e[0..4]; d is the sequence or a difference of it.
SK_INLINE void five_nodes(const vec* e, vec* v) {
    v[0] = e[4] - 1.25f * e[2] + 0.25f * e[0];
    const vec even = e[4] - 0.25f * e[2], odd = e[3] - 0.25f * e[1];
    v[1] = even + odd;
    v[2] = even - odd;
    const vec even_half = e[4] - e[2], odd_half = e[3] - e[1];
    v[3] = even_half + 0.5f * odd_half;
    v[4] = even_half - 0.5f * odd_half;
}

// x (x^2 - 1) (x^2 - 1/4) applied to d[0..5].
SK_INLINE vec five_roots(const vec* d) { return d[5] - 1.25f * d[3] + 0.25f * d[1]; }

// Nodes 0, 1, -1 applied to d[0..2]; infinity is x^3 - x.
SK_INLINE void three_nodes(const vec* d, vec* v) {
    v[0] = d[2] - d[0];
    v[1] = d[2] + d[1];
    v[2] = d[2] - d[1];
}

template <Outer>
struct OuterTransform;

template <>
struct OuterTransform<Outer::f42> {
    static constexpr int outputs = 4, points = 5;
    SK_INLINE void input(const vec* d, vec* v) {
        vec e[4];  // (x - 1/2) d
        for (int k = 0; k < 4; ++k) e[k] = d[k + 1] - 0.5f * d[k];
        three_nodes(e, v);
        v[3] = d[3] - d[1];
        v[4] = e[3] - e[1];
    }
    SK_INLINE void output(const vec* v, vec* y) {
        const vec even = v[1] + v[2], odd = v[1] - v[2];
        y[0] = v[0] + even + v[3];
        y[1] = odd + 0.5f * v[3];
        y[2] = even + 0.25f * v[3];
        y[3] = odd + 0.125f * v[3] + v[4];
    }
};

template <>
struct OuterTransform<Outer::f43> {
    static constexpr int outputs = 4, points = 6;
    SK_INLINE void input(const vec* d, vec* v) {
        five_nodes(d, v);
        v[5] = five_roots(d);
    }
    SK_INLINE void output(const vec* v, vec* y) {
        const vec even = v[1] + v[2], odd = v[1] - v[2], even_half = v[3] + v[4], odd_half = v[3] - v[4];
        y[0] = v[0] + even + even_half;
        y[1] = odd + 0.5f * odd_half;
        y[2] = even + 0.25f * even_half;
        y[3] = odd + 0.125f * odd_half + v[5];
    }
};

template <>
struct OuterTransform<Outer::f44> {
    static constexpr int outputs = 4, points = 7;
    SK_INLINE void input(const vec* d, vec* v) {
        vec e[6];  // (x - 2) d
        for (int k = 0; k < 6; ++k) e[k] = d[k + 1] - 2.0f * d[k];
        five_nodes(e, v);
        v[5] = five_roots(d);
        v[6] = five_roots(e);
    }
    SK_INLINE void output(const vec* v, vec* y) {
        const vec even = v[1] + v[2], odd = v[1] - v[2], even_half = v[3] + v[4], odd_half = v[3] - v[4];
        y[0] = v[0] + even + even_half + v[5];
        y[1] = odd + 0.5f * odd_half + 2.0f * v[5];
        y[2] = even + 0.25f * even_half + 4.0f * v[5];
        y[3] = odd + 0.125f * odd_half + 8.0f * v[5] + v[6];
    }
};

// Nodes 0, 1, -1, 1/2, -1/2, 2, -2: (x^2 - 4) is a factor of the rows of the first five, (x^2 - 1/4) (x^2 - 1) of ±2.
template <>
struct OuterTransform<Outer::f63> {
    static constexpr int outputs = 6, points = 8;
    SK_INLINE void input(const vec* d, vec* v) {
        vec e[6];  // (x^2 - 4) d
        for (int k = 0; k < 6; ++k) e[k] = d[k + 2] - 4.0f * d[k];
        five_nodes(e, v);
        const vec even = five_roots(d + 1), odd = five_roots(d);
        v[5] = even + 2.0f * odd;
        v[6] = even - 2.0f * odd;
        v[7] = five_roots(e);
    }
    SK_INLINE void output(const vec* v, vec* y) {
        const vec even = v[1] + v[2], odd = v[1] - v[2], even_half = v[3] + v[4], odd_half = v[3] - v[4];
        const vec even_two = v[5] + v[6], odd_two = v[5] - v[6];
        y[0] = v[0] + even + even_half + even_two;
        y[1] = odd + 0.5f * odd_half + 2.0f * odd_two;
        y[2] = even + 0.25f * even_half + 4.0f * even_two;
        y[3] = odd + 0.125f * odd_half + 8.0f * odd_two;
        y[4] = even + 0.0625f * even_half + 16.0f * even_two;
        y[5] = odd + 0.03125f * odd_half + 32.0f * odd_two + v[7];
    }
};

// A scheme whose nodes are 0 and pairs +a, -a, its numbers from the table: row ±a is (x^2 ± a x) Q(x^2), where Q has the
// other pairs' squares for roots.
template <Outer O>
struct PairedTransform {
    static constexpr Scheme scheme = outer_scheme(O);
    static constexpr int outputs = scheme.outputs, points = scheme.points, pairs = points / 2 - 1;

    struct Numbers {
        float all[pairs + 1];          // coefficients of prod (x^2 - a_l^2), lowest first
        float others[pairs][pairs];    // the same without one pair
        float powers[pairs][outputs];  // a^i
    };

    static constexpr Numbers find() {
        Numbers found{};
        for (int without = -1; without < pairs; ++without) {
            double product[pairs + 1] = {1.0};
            int degree = 0;
            for (int l = 0; l < pairs; ++l) {
                if (l == without) continue;
                const double square = node(l) * node(l);
                product[++degree] = 0.0;
                for (int k = degree; k > 0; --k) product[k] = product[k - 1] - square * product[k];
                product[0] *= -square;
            }
            for (int k = 0; k <= degree; ++k)
                (without < 0 ? found.all : found.others[without])[k] = static_cast<float>(product[k]);
        }
        for (int l = 0; l < pairs; ++l) {
            double power = 1.0;
            for (int i = 0; i < outputs; ++i, power *= node(l)) found.powers[l][i] = static_cast<float>(power);
        }
        return found;
    }

    static constexpr double node(int pair) { return scheme.nodes[1 + 2 * pair]; }

    // sum_k c[k] d[2 k]
    template <int Count>
    SK_INLINE vec every_other(const float (&c)[Count], const vec* d) {
        vec sum = c[0] * d[0];
#pragma GCC unroll 8
        for (int k = 1; k < Count; ++k) sum += c[k] * d[2 * k];
        return sum;
    }

    SK_INLINE void input(const vec* d, vec* v) {
        static constexpr Numbers numbers = find();
        v[0] = every_other(numbers.all, d);
#pragma GCC unroll 8
        for (int l = 0; l < pairs; ++l) {
            const vec even = every_other(numbers.others[l], d + 2), odd = every_other(numbers.others[l], d + 1);
            v[1 + 2 * l] = even + numbers.powers[l][1] * odd;
            v[2 + 2 * l] = even - numbers.powers[l][1] * odd;
        }
        v[points - 1] = every_other(numbers.all, d + 1);
    }

    SK_INLINE void output(const vec* v, vec* y) {
        static constexpr Numbers numbers = find();
        y[0] = v[0];
        y[outputs - 1] = v[points - 1];
#pragma GCC unroll 8
        for (int i = 1; i < outputs - 1; ++i) y[i] = vec{};
#pragma GCC unroll 8
        for (int l = 0; l < pairs; ++l) {
            const vec even = v[1 + 2 * l] + v[2 + 2 * l], odd = v[1 + 2 * l] - v[2 + 2 * l];
#pragma GCC unroll 8
            for (int i = 0; i < outputs; ++i) y[i] += numbers.powers[l][i] * (i % 2 ? odd : even);
        }
    }
};

template <>
struct OuterTransform<Outer::f87> : PairedTransform<Outer::f87> {};

// Inner schemes also transform filters: u = G g, for weights that are kept untransformed.
template <Inner>
struct InnerTransform;

template <>
struct InnerTransform<Inner::none> {
    SK_INLINE void filter(const vec* g, vec* u) { u[0] = g[0]; }
};

template <>
struct InnerTransform<Inner::f22> {
    static constexpr int outputs = 2, points = 3;
    SK_INLINE void input(const vec* d, vec* v) {
        v[0] = d[1] - d[0];
        v[1] = d[1];
        v[2] = d[2] - d[1];
    }
    SK_INLINE void output(const vec* v, vec* y) {
        y[0] = v[0] + v[1];
        y[1] = v[1] + v[2];
    }
};

template <>
struct InnerTransform<Inner::f32> {
    static constexpr int outputs = 3, points = 4;
    SK_INLINE void filter(const vec* g, vec* u) {
        u[0] = -g[0];
        u[1] = 0.5f * (g[0] + g[1]);
        u[2] = 0.5f * (g[0] - g[1]);
        u[3] = g[1];
    }
    SK_INLINE void input(const vec* d, vec* v) {
        three_nodes(d, v);
        v[3] = d[3] - d[1];
    }
    SK_INLINE void output(const vec* v, vec* y) {
        y[0] = v[0] + v[1] + v[2];
        y[1] = v[1] - v[2];
        y[2] = v[1] + v[2] + v[3];
    }
};

template <>
struct InnerTransform<Inner::f62> {
    static constexpr int outputs = 6, points = 7;
    SK_INLINE void filter(const vec* g, vec* u) {
        const vec half = 0.5f * g[1];
        u[0] = -2.0f * g[0];
        u[1] = (-2.0f / 3.0f) * (g[0] + g[1]);
        u[2] = (-2.0f / 9.0f) * (g[0] - g[1]);
        u[3] = (16.0f / 9.0f) * (g[0] + half);
        u[4] = (16.0f / 15.0f) * (g[0] - half);
        u[5] = (2.0f / 45.0f) * (g[0] + 2.0f * g[1]);
        u[6] = g[1];
    }
    SK_INLINE void input(const vec* d, vec* v) { OuterTransform<Outer::f44>::input(d, v); }
    SK_INLINE void output(const vec* v, vec* y) {
        const vec even = v[1] + v[2], odd = v[1] - v[2], even_half = v[3] + v[4], odd_half = v[3] - v[4];
        y[0] = v[0] + even + even_half + v[5];
        y[1] = odd + 0.5f * odd_half + 2.0f * v[5];
        y[2] = even + 0.25f * even_half + 4.0f * v[5];
        y[3] = odd + 0.125f * odd_half + 8.0f * v[5];
        y[4] = even + 0.0625f * even_half + 16.0f * v[5];
        y[5] = odd + 0.03125f * odd_half + 32.0f * v[5] + v[6];
    }
};

template <>
struct InnerTransform<Inner::f23> {
    static constexpr int outputs = 2, points = 4;
    SK_INLINE void input(const vec* d, vec* v) {
        three_nodes(d, v);
        v[3] = d[3] - d[1];
    }
    SK_INLINE void output(const vec* v, vec* y) {
        y[0] = v[0] + v[1] + v[2];
        y[1] = v[1] - v[2] + v[3];
    }
};

template <>
struct InnerTransform<Inner::f43> : OuterTransform<Outer::f43> {
    SK_INLINE void filter(const vec* g, vec* u) {
        const vec even = g[0] + g[2], even_half = g[0] + 0.25f * g[2], odd_half = 0.5f * g[1];
        u[0] = 4.0f * g[0];
        u[1] = (2.0f / 3.0f) * (even + g[1]);
        u[2] = (2.0f / 3.0f) * (even - g[1]);
        u[3] = (-8.0f / 3.0f) * (even_half + odd_half);
        u[4] = (-8.0f / 3.0f) * (even_half - odd_half);
        u[5] = g[2];
    }
};

template <>
struct InnerTransform<Inner::f63> : OuterTransform<Outer::f63> {
    SK_INLINE void filter(const vec* g, vec* u) {
        const vec even = g[0] + g[2], even_half = g[0] + 0.25f * g[2], odd_half = 0.5f * g[1];
        const vec even_two = g[0] + 4.0f * g[2], odd_two = 2.0f * g[1];
        u[0] = -g[0];
        u[1] = (-2.0f / 9.0f) * (even + g[1]);
        u[2] = (-2.0f / 9.0f) * (even - g[1]);
        u[3] = (32.0f / 45.0f) * (even_half + odd_half);
        u[4] = (32.0f / 45.0f) * (even_half - odd_half);
        u[5] = (1.0f / 90.0f) * (even_two + odd_two);
        u[6] = (1.0f / 90.0f) * (even_two - odd_two);
        u[7] = g[2];
    }
};

}  // namespace sk::SK_ISA
