// Score one image by an exported model with ONNX Runtime from C++: no Python, no twinspect.
//
//   twinspect export parts.twin --to onnx
//   ORT=onnxruntime-linux-x64-1.22.0   # headers and library: github.com/microsoft/onnxruntime/releases, unpacked
//   g++ -std=c++17 -O2 score_onnx.cpp -I$ORT/include -L$ORT/lib -lonnxruntime -Wl,-rpath,$ORT/lib -o score
//   ./score parts.twin/exports/onnx-fp32/model.onnx part.ppm
//
// Debian and Ubuntu have the same as libonnxruntime-dev. The library may be newer than the headers, never older.
// A binary PPM keeps the example free of an image library; what a camera or OpenCV gives (uint8, RGB) goes in likewise.
#include <array>
#include <fstream>
#include <iostream>
#include <vector>
#include <onnxruntime_cxx_api.h>
#include "verdict.hpp"

int main(int, char** argv) {
    std::ifstream file(argv[2], std::ios::binary);
    std::string magic;
    int64_t width = 0, height = 0, most = 0;
    file >> magic >> width >> height >> most;
    file.get();
    std::vector<uint8_t> pixels(3 * width * height);
    file.read(reinterpret_cast<char*>(pixels.data()), pixels.size());
    if (!file || magic != "P6" || most != 255) return std::cerr << "not a binary PPM of 8 bits\n", 2;

    Ort::Env environment(ORT_LOGGING_LEVEL_ERROR);
    Ort::Session session(environment, argv[1], Ort::SessionOptions());
    const std::array<int64_t, 4> shape = {1, height, width, 3};
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    const auto images = Ort::Value::CreateTensor<uint8_t>(memory, pixels.data(), pixels.size(), shape.data(), 4);
    const char *inputs[] = {"images"}, *outputs[] = {"score", "map"};
    const auto found = session.Run(Ort::RunOptions(), inputs, &images, 1, outputs, 2);
    // Of a model whose region of interest comes with each image: a second input "regions", {1, height, width} uint8.
    Ort::AllocatorWithDefaultOptions allocator;
    const auto record = session.GetModelMetadata().LookupCustomMetadataMapAllocated("twinspect", allocator);
    print_verdict(pixels, width, height, found[0].GetTensorData<float>()[0], found[1].GetTensorData<float>(), record.get());
}
