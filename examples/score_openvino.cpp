// Score one image by an exported model with OpenVINO from C++: no Python, no twinspect.
//
//   twinspect export parts.twin --to openvino
//   OV=$(python -c "import openvino, pathlib; print(pathlib.Path(openvino.__file__).parent)")
//   g++ -std=c++17 -O2 score_openvino.cpp -I$OV/include $OV/libs/libopenvino.so.* -Wl,-rpath,$OV/libs -o score
//   ./score parts.twin/exports/openvino-fp32/model.xml part.ppm
//
// A binary PPM keeps the example free of an image library; what a camera or OpenCV gives (uint8, RGB) goes in likewise.
#include <fstream>
#include <iostream>
#include <vector>
#include <openvino/openvino.hpp>
#include "verdict.hpp"

int main(int, char** argv) {
    std::ifstream file(argv[2], std::ios::binary);
    std::string magic;
    size_t width, height, most;
    file >> magic >> width >> height >> most;
    file.get();
    std::vector<uint8_t> pixels(3 * width * height);
    file.read(reinterpret_cast<char*>(pixels.data()), pixels.size());
    if (!file || magic != "P6" || most != 255) return std::cerr << "not a binary PPM of 8 bits\n", 2;

    // fp32 as on the machine that checked the export; processors with bf16 would take that by themselves.
    const auto graph = ov::Core().read_model(argv[1]);
    auto model = ov::Core().compile_model(graph, "CPU", ov::hint::inference_precision(ov::element::f32));
    auto request = model.create_infer_request();
    request.set_tensor("images", ov::Tensor(ov::element::u8, {1, height, width, 3}, pixels.data()));
    request.infer();
    const float score = request.get_tensor("score").data<float>()[0];
    const ov::Tensor map = request.get_tensor("map");  // {1, height, width}
    const auto record = graph->get_rt_info<std::string>("twinspect");
    print_verdict(pixels, width, height, score, map.data<float>(), record);
}
