// Score one image by an exported model with OpenVINO from C++: no Python, no twinspect.
//
//   twinspect export parts.twin --to openvino
//   OV=$(python -c "import openvino, pathlib; print(pathlib.Path(openvino.__file__).parent)")
//   g++ -std=c++17 -O2 score_openvino.cpp -I$OV/include $OV/libs/libopenvino.so.* -Wl,-rpath,$OV/libs -o score
//   ./score parts.twin/exports/openvino-fp32/model.xml part.ppm
//
// A binary PPM keeps the example free of an image library; what a camera or OpenCV gives (uint8, RGB) goes in likewise.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <openvino/openvino.hpp>

int main(int, char** argv) {
    std::ifstream file(argv[2], std::ios::binary);
    std::string magic;
    size_t width, height, most;
    file >> magic >> width >> height >> most;
    file.get();
    ov::Tensor images(ov::element::u8, {1, height, width, 3});
    file.read(static_cast<char*>(images.data()), images.get_byte_size());
    if (!file || magic != "P6" || most != 255) return std::cerr << "not a binary PPM of 8 bits\n", 2;

    // fp32 as on the machine that checked the export; processors with bf16 would take that by themselves.
    auto model = ov::Core().compile_model(argv[1], "CPU", ov::hint::inference_precision(ov::element::f32));
    auto request = model.create_infer_request();
    request.set_tensor("images", images);
    request.infer();
    const float score = request.get_tensor("score").data<float>()[0];
    const ov::Tensor map = request.get_tensor("map");  // {1, height, width}
    const float* first = map.data<float>();
    const size_t highest = std::max_element(first, first + map.get_size()) - first;
    std::cout << score << " highest at row " << highest / width << ", column " << highest % width << "\n";
}
