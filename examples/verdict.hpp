// What an exported model says of an image beside its score: the decision, whether the image can be inspected at all,
// and the regions found in its map. For score_onnx.cpp and score_openvino.cpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <limits>
#include <string>
#include <vector>

// A number of the record that comes with the graph (JSON, a name occurs once), or `otherwise`.
inline double number(const std::string& record, const std::string& name, double otherwise) {
    const auto at = record.find("\"" + name + "\":");
    return at == std::string::npos ? otherwise : std::stod(record.substr(at + name.size() + 3));
}

// Whether the frame has the light, contrast and focus of good images. On a small grey copy, of which `step` and
// `block` say how coarse it is; blocks at the right and lower edge may be smaller.
inline bool is_inspectable(const std::vector<uint8_t>& rgb, int64_t width, int64_t height, const std::string& record) {
    const int64_t step = std::max<int64_t>(1, std::min(width, height) / 512);
    const int64_t w = (width + step - 1) / step, h = (height + step - 1) / step;
    const int64_t block = std::max<int64_t>(1, std::min(w, h) / 128);
    const int64_t columns = (w + block - 1) / block, rows = (h + block - 1) / block;
    std::vector<double> grey(rows * columns), pixels(rows * columns);
    for (int64_t y = 0; y < h; ++y)
        for (int64_t x = 0; x < w; ++x) {
            const uint8_t* pixel = &rgb[3 * (y * step * width + x * step)];
            const int64_t at = y / block * columns + x / block;
            grey[at] += 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
            pixels[at] += 1;
        }
    double sum = 0, squares = 0, edges = 0;
    for (size_t at = 0; at < grey.size(); ++at) sum += grey[at] /= pixels[at];
    const double mean = sum / grey.size();
    for (const double value : grey) squares += (value - mean) * (value - mean);
    for (int64_t y = 1; y + 1 < rows; ++y)
        for (int64_t x = 1; x + 1 < columns; ++x) {
            const double* p = &grey[y * columns + x];
            edges += std::pow(p[-1] + p[1] + p[-columns] + p[columns] - 4 * p[0], 2);
        }
    const double inner = std::max<double>(1, (rows - 2) * (columns - 2));
    return mean >= number(record, "darkest", 0) && mean <= number(record, "brightest", 255) &&
           std::sqrt(squares / grey.size()) >= number(record, "least_contrast", 0) &&
           std::sqrt(edges / inner) >= number(record, "least_sharpness", 0);
}

// Print the boxes of connected pixels above "low" of which one is above "high", row by row of their first pixels.
inline void print_regions(const float* map, int64_t width, int64_t height, const std::string& record) {
    const double none = std::numeric_limits<double>::infinity();
    const double high = number(record, "high", none), low = number(record, "low", none);
    std::vector<bool> seen(width * height);
    for (int64_t start = 0; start < width * height; ++start) {
        if (seen[start] || !(map[start] > low)) continue;
        std::vector<int64_t> waiting = {start};
        int64_t left = width, top = height, right = 0, bottom = 0;
        float peak = map[start];
        for (seen[start] = true; !waiting.empty();) {
            const int64_t at = waiting.back(), x = at % width, y = at / width;
            waiting.pop_back();
            left = std::min(left, x), right = std::max(right, x), top = std::min(top, y), bottom = std::max(bottom, y);
            peak = std::max(peak, map[at]);
            for (int64_t v = std::max<int64_t>(0, y - 1); v <= std::min(height - 1, y + 1); ++v)
                for (int64_t u = std::max<int64_t>(0, x - 1); u <= std::min(width - 1, x + 1); ++u)
                    if (const int64_t next = v * width + u; !seen[next] && map[next] > low)
                        seen[next] = true, waiting.push_back(next);
        }
        if (peak > high)
            std::cout << "region at x " << left << ", y " << top << ": " << right - left + 1 << " x "
                      << bottom - top + 1 << " pixels\n";
    }
}

inline void print_verdict(const std::vector<uint8_t>& rgb, int64_t width, int64_t height, float score,
                          const float* map, const std::string& record) {
    const bool can_be = is_inspectable(rgb, width, height, record);
    const bool is_anomalous = score > number(record, "threshold", std::numeric_limits<double>::infinity());
    const int64_t highest = std::max_element(map, map + width * height) - map;
    std::cout << score << (!can_be ? " not inspectable" : is_anomalous ? " anomalous" : " good") << ", highest at row "
              << highest / width << ", column " << highest % width << "\n";
    if (can_be) print_regions(map, width, height, record);
}
