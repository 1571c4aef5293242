// Delta debugging over a list.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <vector>

namespace ticklab::lab {

/// Takes ever shorter stretches out of `items`, the last first, as long as `fails(rest)` holds. What is left fails, if
/// `items` did, and does not without any single one of it. `fails` is never asked about what it has been asked to last.
template <class T, class Fails>
void minimise(std::vector<T>& items, const Fails& fails) {
    for (std::size_t width = items.size(); width > 0;) {
        bool shorter = false;
        for (std::size_t end = items.size(); end > 0;) {
            const std::size_t begin = end - std::min(end, width);
            const auto at = [&](std::size_t i) { return items.begin() + static_cast<std::ptrdiff_t>(i); };
            std::vector<T> rest(items.begin(), at(begin));
            rest.insert(rest.end(), at(end), items.end());
            if (fails(rest)) {
                items = std::move(rest);
                shorter = true;
            }
            end = begin;
        }
        // What a later item needed may be of no use now.
        if (width > 1 || !shorter)
            width /= 2;
        width = std::min(width, items.size());
    }
}

}  // namespace ticklab::lab
