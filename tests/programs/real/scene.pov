#version 3.7;
global_settings { assumed_gamma 1.0 max_trace_level 8 }
camera { location <0, 2.2, -6> look_at <0, 0.6, 0> right x * image_width / image_height }
light_source { <4, 8, -6> color rgb 1.1 area_light <1, 0, 0>, <0, 0, 1>, 5, 5 }
light_source { <-7, 5, -3> color rgb <0.3, 0.35, 0.5> }
plane { y, 0 pigment { checker color rgb <0.85, 0.75, 0.55> color rgb <0.35, 0.38, 0.42> scale 0.7 } finish { reflection 0.15 } }
#declare I = 0;
#while (I < 9)
  sphere {
    <2.2 * cos(I * 0.9), 0.5 + 0.12 * I, 1.8 * sin(I * 0.9)>, 0.45
    pigment { granite scale 0.4 color_map { [0 rgb <0.1 * I, 0.4, 0.8>] [1 rgb <0.9, 0.1 * I, 0.2>] } }
    finish { phong 0.8 reflection 0.25 }
  }
  #declare I = I + 1;
#end
