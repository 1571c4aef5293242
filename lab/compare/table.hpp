// A comparison for people: one table, as Markdown whose columns are aligned, so it can be read as it stands and pasted.
#pragma once

#include <string>
#include <vector>

#include "ticklab/lab/compare/compare.hpp"

namespace ticklab::lab {

/// At most so many columns of text: more variants than fit side by side make rows, and more columns several tables.
inline constexpr std::size_t kTableWidth = 120;

/// Ends with a line break. A row a metric, a column a variant, transposed where they do not fit; medians, and least and
/// greatest value where runs differ. The best of each metric is bold.
std::string comparison_table(std::span<const Axis> axes, std::span<const Variant> variants,
                             const Comparison& comparison, bool colour);

}  // namespace ticklab::lab
